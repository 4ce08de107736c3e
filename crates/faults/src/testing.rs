//! What the tests of the kinds share: YAML in, effects or messages out.

use bytes::Bytes;
use murphy_core::effect::Effect;

use crate::kind::Ctx;
use crate::kinds::Fault;

fn files(name: &str) -> Result<Bytes, String> {
    match name {
        "page.html" => Ok(Bytes::from_static(b"<h1>oops</h1>")),
        "large.bin" => Ok(Bytes::from(vec![0; crate::CONTENT_BYTES_MAX + 1])),
        _ => Err("no such file".to_owned()),
    }
}

fn fault(yaml: &str) -> Result<Fault, String> {
    serde_saphyr::from_str(yaml).map_err(|error| error.to_string())
}

/// The effects of a fault that is right.
pub(crate) fn effects(yaml: &str) -> Vec<Effect> {
    let fault = fault(yaml).unwrap_or_else(|error| panic!("{yaml}: {error}"));
    fault
        .compile(&Ctx { files: &files })
        .unwrap_or_else(|problems| panic!("{yaml}: {problems:?}"))
}

/// The only effect of a fault that is right.
pub(crate) fn effect(yaml: &str) -> Effect {
    let [effect] = <[Effect; 1]>::try_from(effects(yaml)).unwrap_or_else(|found| panic!("{yaml}: {found:?}"));
    effect
}

/// What is wrong with a fault that reads but means nothing.
pub(crate) fn problems(yaml: &str) -> Vec<String> {
    let fault = fault(yaml).unwrap_or_else(|error| panic!("{yaml}: {error}"));
    match fault.compile(&Ctx { files: &files }) {
        Ok(effects) => panic!("{yaml} was taken: {effects:?}"),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

/// The message about a fault that does not read.
pub(crate) fn refusal(yaml: &str) -> String {
    match fault(yaml) {
        Ok(fault) => panic!("{yaml} was taken: {fault:?}"),
        Err(error) => error,
    }
}
