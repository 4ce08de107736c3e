//! Exit codes: what a script may rely on.

use std::process::ExitCode;

use murphy_control::client::ClientError;
use murphy_control::problem::ProblemType;

/// For `--help`.
pub(crate) const HELP: &str = "\
Exit codes:
  0  done, and the answer is yes
  1  the answer is no (a check failed, a reload was refused)
  2  the command line is wrong
  3  it could not be carried out (the daemon cannot be reached, a file cannot be written)
  4  halted by the kill switch (it is tripped or locked)";

/// How a verb ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, and the answer is yes.
    Done,
    /// The answer is no.
    No,
    /// The command line is wrong.
    Usage,
    /// It could not be carried out.
    Failed,
    /// Halted by the kill switch.
    Halted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::No => 1,
            Exit::Usage => 2,
            Exit::Failed => 3,
            Exit::Halted => 4,
        })
    }
}

/// Why a verb did not do what it should: the exit code, and words for standard error.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) words: String,
}

impl Failure {
    /// It could not be carried out.
    pub(crate) fn failed(words: impl ToString) -> Self {
        Self {
            exit: Exit::Failed,
            words: words.to_string(),
        }
    }

    /// The answer is no.
    pub(crate) fn no(words: impl ToString) -> Self {
        Self {
            exit: Exit::No,
            words: words.to_string(),
        }
    }

    /// The command line is wrong.
    pub(crate) fn usage(words: impl ToString) -> Self {
        Self {
            exit: Exit::Usage,
            words: words.to_string(),
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let halted = |kind| error.problem().is_some_and(|problem| problem.is(kind));
        let exit = match &error {
            ClientError::BadUrl { .. } | ClientError::BadHeader => Exit::Usage,
            _ if halted(ProblemType::KillSwitchTripped) || halted(ProblemType::KillSwitchLocked) => {
                Exit::Halted
            }
            _ if halted(ProblemType::InvalidConfiguration) => Exit::No,
            _ => Exit::Failed,
        };
        Self {
            exit,
            words: error.to_string(),
        }
    }
}

impl From<std::io::Error> for Failure {
    /// Of standard output: a reader that left (`murphy tail | head`) is no failure.
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self {
                exit: Exit::Done,
                words: String::new(),
            };
        }
        Self::failed(format_args!("cannot write the output: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use murphy_control::problem::ProblemDetails;

    use super::*;

    #[test]
    fn a_refusal_of_the_kill_switch_is_told_apart_from_a_failure() {
        for (kind, wanted) in [
            (ProblemType::KillSwitchTripped, Exit::Halted),
            (ProblemType::KillSwitchLocked, Exit::Halted),
            (ProblemType::InvalidConfiguration, Exit::No),
            (ProblemType::NoSuchScenario, Exit::Failed),
            (ProblemType::Unauthorized, Exit::Failed),
        ] {
            let error = ClientError::Refused(Box::new(ProblemDetails::new(kind, "no")));
            assert_eq!(Failure::from(error).exit, wanted, "{kind:?}");
        }
    }
}
