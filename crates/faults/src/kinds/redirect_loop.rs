//! `redirect_loop`: a redirect to the very URL that was asked for.

use murphy_core::effect::{Effect, ReplySource, Respond, UpstreamUse};
use murphy_core::problem::Problem;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::check::Check;
use crate::forms::{may_be_empty, or_nothing, whole};
use crate::kind::{Ctx, Kind};

/// Statuses that a client follows (RFC 9110 §15.4).
const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];

/// Murphy redirects to the very URL that was asked for, so that a client which follows redirects without a
/// limit never ends.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields, default)]
#[schemars(rename = "RedirectLoop", transform = or_nothing)]
pub struct RedirectLoop {
    /// The status; 307 and 308 keep the method and the body.
    #[schemars(extend("enum" = REDIRECTS))]
    #[serde(deserialize_with = "whole")]
    pub status: u16,
}

impl Default for RedirectLoop {
    fn default() -> Self {
        Self { status: 302 }
    }
}
may_be_empty!(RedirectLoop, "nothing, or { status: 307 }");

impl Kind for RedirectLoop {
    const SUMMARY: &'static str = "Redirects to the very URL that was asked for.";
    const EXAMPLE: &'static str = "redirect_loop:\n  status: 307";
    const TERMINAL: bool = true;

    fn compile(&self, _: &Ctx<'_>) -> Result<Vec<Effect>, Vec<Problem>> {
        let mut check = Check::default();
        if !REDIRECTS.contains(&self.status) {
            check.refuse(&["status"], self.status, "301, 302, 303, 307 or 308");
        }
        check.done(vec![Effect::Respond(Respond {
            reply: ReplySource::SelfRedirect { status: self.status },
            upstream: UpstreamUse::Skip,
            malformed: false,
        })])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{effect, problems};

    #[test]
    fn only_what_clients_follow_is_taken() {
        let wanted = |status| {
            Effect::Respond(Respond {
                reply: ReplySource::SelfRedirect { status },
                upstream: UpstreamUse::Skip,
                malformed: false,
            })
        };
        assert_eq!(effect("redirect_loop:"), wanted(302));
        for status in REDIRECTS {
            assert_eq!(
                effect(&format!("redirect_loop: {{ status: {status} }}")),
                wanted(status)
            );
        }
        for status in [200, 300, 304, 305, 404] {
            let found = problems(&format!("redirect_loop: {{ status: {status} }}"));
            assert_eq!(
                found,
                [format!(
                    "redirect_loop.status: found {status}, wanted 301, 302, 303, 307 or 308"
                )]
            );
        }
    }
}
