//! Which messages a fault slows down.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use murphy_core::effect::{Pace, PaceEdit};

/// Which messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Sides {
    /// The agent's request.
    Request,
    /// The upstream's response.
    #[default]
    Response,
    /// Both.
    Both,
}

impl Sides {
    pub(crate) fn slow(self, pace: Pace) -> PaceEdit {
        PaceEdit {
            request: matches!(self, Self::Request | Self::Both),
            response: matches!(self, Self::Response | Self::Both),
            pace,
        }
    }
}
