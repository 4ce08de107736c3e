//! Errors of the data path: each knows whose fault it is.

use std::error::Error;
use std::fmt;

use murphy_core::effect::AbortHow;

/// Any error of a body that passes through.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Why a connection or a stream is given up without a (complete) answer. hyper turns it into the end of the
/// connection, or on HTTP/2 into `RST_STREAM` with the code that it finds among the sources.
#[derive(Debug)]
pub enum Break {
    /// A fault asks for it.
    Injected(Reason),
    /// The upstream broke off after its head had been passed on.
    Upstream(BoxError),
    /// The route's `total` deadline passed after the head had been passed on.
    Deadline,
    /// The agent hung up.
    AgentLeft,
}

/// The `RST_STREAM` code of an injected break, in a shape in which hyper finds it.
#[derive(Debug)]
pub struct Reason(h2::Error);

impl Break {
    /// A break that a fault asks for.
    #[must_use]
    pub fn injected(how: AbortHow) -> Self {
        let code = match how {
            AbortHow::Fin | AbortHow::Rst => h2::Reason::INTERNAL_ERROR,
            AbortHow::H2Reset(code) => h2::Reason::from(code),
        };
        Self::Injected(Reason(h2::Error::from(code)))
    }
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Injected(_) => f.write_str("broken by an injected fault"),
            Self::Upstream(error) => write!(f, "the upstream broke off: {error}"),
            Self::Deadline => f.write_str("the route's total deadline passed"),
            Self::AgentLeft => f.write_str("the agent hung up"),
        }
    }
}

impl Error for Break {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Injected(Reason(error)) => Some(error),
            Self::Upstream(error) => Some(error.as_ref()),
            Self::Deadline | Self::AgentLeft => None,
        }
    }
}
