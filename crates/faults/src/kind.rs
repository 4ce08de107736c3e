//! What every fault kind provides.

use bytes::Bytes;
use murphy_core::effect::{Effect, UpstreamUse};
use murphy_core::problem::Problem;

/// What a kind may ask for while it is compiled.
pub struct Ctx<'a> {
    /// Reads a file below the folder of the scenario; the error says why it could not be read.
    pub files: &'a dyn Fn(&str) -> Result<Bytes, String>,
}

/// A fault kind: its parameters as a type that is read from a file, checked and compiled.
pub trait Kind {
    /// What it does, in one line for lists.
    const SUMMARY: &'static str;
    /// A complete example: the YAML that stands under `fault:`.
    const EXAMPLE: &'static str;
    /// Whether it always ends the list of rules: nothing after it is tried.
    const TERMINAL: bool;

    /// Checks the parameters and turns them into effects.
    ///
    /// # Errors
    /// All that is wrong, not only the first; paths are relative to the parameters.
    fn compile(&self, ctx: &Ctx<'_>) -> Result<Vec<Effect>, Vec<Problem>>;
}

/// What `after_upstream` means.
pub(crate) fn upstream_use(after_upstream: bool) -> UpstreamUse {
    if after_upstream {
        UpstreamUse::Call
    } else {
        UpstreamUse::Skip
    }
}
