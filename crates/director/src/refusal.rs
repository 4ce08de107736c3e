//! Why the Director does not do what it was asked.

use crate::view::Located;

/// Why the Director refuses.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// There is no scenario of that name.
    #[error("there is no scenario {name:?}{}", suggest(.hint))]
    NoSuchScenario {
        /// The name.
        name: String,
        /// A name that it may have meant.
        hint: Option<String>,
    },
    /// The name is none that a scenario can have.
    #[error("{name:?} is not a scenario's name: wanted {wanted}")]
    BadName {
        /// The name.
        name: String,
        /// What would be right.
        wanted: &'static str,
    },
    /// The text is longer than a scenario may be, or all scenarios together would be.
    #[error("that is {bytes} bytes; at most {max} fit")]
    TooLarge {
        /// The length, of it or of all.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// The scenario is wrong.
    #[error("the scenario has {} problem(s): {}", .0.len(), first(.0))]
    Invalid(Vec<Located>),
    /// The kill switch is tripped.
    #[error("the kill switch is tripped: {reason}; re-arm it first")]
    Tripped {
        /// Why it tripped.
        reason: String,
    },
    /// The kill switch is locked.
    #[error("the kill switch is locked by {who}; unlock it first")]
    Locked {
        /// Who locked it.
        who: String,
    },
    /// There are as many scenarios as there may be.
    #[error("there are {max} scenarios already; no more fit")]
    TooMany {
        /// The limit.
        max: usize,
    },
    /// The scenario's file cannot be removed.
    #[error("{file} cannot be removed: {error}")]
    NotRemovable {
        /// The file.
        file: String,
        /// What the system said.
        error: String,
    },
    /// The process is stopping.
    #[error("murphy is stopping")]
    Stopping,
}

impl Refusal {
    /// The HTTP status that says this best.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::NoSuchScenario { .. } => 404,
            Self::BadName { .. } => 400,
            Self::TooLarge { .. } => 413,
            Self::Invalid(_) => 422,
            Self::Tripped { .. } | Self::Locked { .. } | Self::NotRemovable { .. } | Self::TooMany { .. } => {
                409
            }
            Self::Stopping => 503,
        }
    }

    /// A stable name for programs: the last part of a problem's `type`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoSuchScenario { .. } => "no-such-scenario",
            Self::BadName { .. } => "bad-name",
            Self::TooLarge { .. } => "too-large",
            Self::Invalid(_) => "invalid-scenario",
            Self::Tripped { .. } => "kill-switch-tripped",
            Self::Locked { .. } => "kill-switch-locked",
            Self::TooMany { .. } => "too-many-scenarios",
            Self::NotRemovable { .. } => "not-removable",
            Self::Stopping => "stopping",
        }
    }

    /// The problems of a scenario that is wrong.
    #[must_use]
    pub fn problems(&self) -> &[Located] {
        match self {
            Self::Invalid(problems) => problems,
            _ => &[],
        }
    }
}

fn suggest(hint: &Option<String>) -> String {
    hint.as_ref()
        .map(|name| format!(" (did you mean {name:?}?)"))
        .unwrap_or_default()
}

fn first(problems: &[Located]) -> String {
    problems.first().map(ToString::to_string).unwrap_or_default()
}
