//! `[control]`: where the control API listens and who may use it.

use std::net::SocketAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The control API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ControlSettings {
    /// Where it listens.
    #[serde(deserialize_with = "super::proxy::address")]
    pub listen: SocketAddr,
    /// A file that holds the token which callers must send as "authorization: Bearer …". Required unless the
    /// listener is on loopback.
    #[schemars(extend("examples" = ["/run/secrets/murphy"]))]
    pub token_file: Option<PathBuf>,
    /// Host names, besides loopback ones, by which callers may name it (against DNS rebinding).
    #[schemars(extend("examples" = [["murphy.internal"]]))]
    pub allowed_hosts: Vec<String>,
}

impl Default for ControlSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7071)),
            token_file: None,
            allowed_hosts: Vec::new(),
        }
    }
}
