//! Conventions that every fault kind keeps, asserted over the registry.

use bytes::Bytes;
use murphy_core::effect::Effect;
use murphy_faults::{CATALOGUE, Ctx, Fault};
use proptest::prelude::*;
use serde_json::{Value, json};

const NO_FILES: Ctx<'_> = Ctx {
    files: &|_| Err("there are no files".to_owned()),
};

#[test]
fn every_example_reads_compiles_and_is_of_its_kind() {
    for row in CATALOGUE {
        let fault: Fault = serde_saphyr::from_str(row.example).expect(row.name);
        assert_eq!(fault.kind(), row.name);
        let effects = fault
            .compile(&NO_FILES)
            .unwrap_or_else(|problems| panic!("{}: {problems:?}", row.name));
        assert!(!effects.is_empty(), "{} does nothing", row.name);
        assert_eq!(
            effects.iter().any(Effect::is_terminal),
            row.terminal,
            "{}",
            row.name
        );
    }
}

#[test]
fn every_kind_has_a_summary_a_schema_and_a_name_of_its_own() {
    for (nth, row) in CATALOGUE.iter().enumerate() {
        assert!(
            row.summary.ends_with('.') && row.summary.len() <= 100,
            "{}: {}",
            row.name,
            row.summary
        );
        assert!(
            CATALOGUE.iter().skip(nth + 1).all(|other| other.name != row.name),
            "{}",
            row.name
        );
        let schema = (row.schema)().to_value();
        assert!(
            schema["description"].is_string() || schema["$ref"].is_string(),
            "{}: {schema}",
            row.name
        );
    }
}

#[test]
fn the_schema_of_a_fault_lists_every_kind_with_its_summary() {
    let schema = schemars::schema_for!(Fault).to_value();
    let variants = schema["oneOf"].as_array().expect("one variant for each kind");
    for (row, variant) in CATALOGUE.iter().zip(variants) {
        assert_eq!(variant["required"], json!([row.name]));
        assert_eq!(variant["description"], row.summary);
    }
    assert_eq!(variants.len(), CATALOGUE.len());
}

#[test]
fn unknown_kinds_and_parameters_are_refused() {
    let read = |yaml: &str| serde_saphyr::from_str::<Fault>(yaml).map_err(|error| error.to_string());
    let wrong = read("dealy: 2s").expect_err("an unknown kind");
    assert!(
        wrong.contains("unknown variant `dealy`, expected one of delay, status"),
        "{wrong}"
    );
    for row in CATALOGUE.iter().filter(|row| row.name != "corrupt") {
        let wrong = read(&format!("{}: {{ no_such_parameter: 1 }}", row.name)).expect_err(row.name);
        assert!(
            wrong.contains("unknown field `no_such_parameter`"),
            "{}: {wrong}",
            row.name
        );
    }
    assert!(read("status: 503\nhang: {}").is_err(), "two kinds in one fault");
}

/// Every string of a compiled fault that reaches a head went through the check of the type.
fn header_is_whole(value: &http::HeaderValue) -> bool {
    value
        .as_bytes()
        .iter()
        .all(|byte| !matches!(byte, b'\r' | b'\n' | 0))
}

fn compile(fault: Value) -> Option<Vec<Effect>> {
    serde_json::from_value::<Fault>(fault)
        .ok()?
        .compile(&NO_FILES)
        .ok()
}

proptest! {
    #[test]
    fn no_text_of_a_scenario_can_end_a_header(name in "[a-zA-Z:\r\n -]{1,12}", value in "(.|[\r\n\0\u{2028}]){0,24}") {
        for fault in [
            json!({ "headers": { "set": { name.clone(): value } } }),
            json!({ "headers": { "add": { "x": [value] }, "remove": [name] } }),
            json!({ "wrong_content_type": { "to": value } }),
        ] {
            for effect in compile(fault).into_iter().flatten() {
                let Effect::Head(edit) = effect else { panic!("{effect:?}") };
                prop_assert!(edit.set.iter().chain(&edit.add).all(|(_, value)| header_is_whole(value)));
            }
        }
    }

    #[test]
    fn what_reads_does_something_or_is_refused_with_a_reason(
        kind in proptest::sample::select(CATALOGUE.iter().map(|row| row.name).collect::<Vec<_>>()),
        key in "[a-z_]{1,10}",
        text in ".{0,20}",
        number in any::<i64>(),
    ) {
        let values = [json!(text), json!(number), json!(null), json!({ key: text }), json!([number])];
        for value in values {
            let files = |_: &str| Ok(Bytes::new());
            if let Ok(fault) = serde_json::from_value::<Fault>(json!({ kind: value })) {
                match fault.compile(&Ctx { files: &files }) {
                    Ok(effects) => prop_assert!(!effects.is_empty(), "{fault:?} does nothing"),
                    Err(problems) => prop_assert!(!problems.is_empty(), "{fault:?} is refused without a reason"),
                }
            }
        }
    }

    #[test]
    fn places_read_back_as_they_print(bytes in 0_u64..1 << 50) {
        let place: murphy_faults::Place = serde_json::from_value(json!(bytes)).unwrap();
        prop_assert_eq!(serde_json::from_value::<murphy_faults::Place>(json!(place.to_string())).unwrap(), place);
    }
}
