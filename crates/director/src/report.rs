//! How a problem at its place is shown to people: `file:line:column: what`, the line, and a caret under it.

use std::fmt;

use murphy_core::problem::Problem;

use crate::view::Located;

/// Of a line with a problem, so many characters are shown.
const SNIPPET_CHARS_MAX: usize = 200;

/// A problem whose value may be shown: bounded, and without what looks like a secret.
fn presentable(mut problem: Problem) -> Problem {
    let found: String = problem.found.chars().take(SNIPPET_CHARS_MAX).collect();
    problem.found = murphy_observe::redact::text(&found).into_owned();
    problem
}

impl Located {
    /// A problem at a place of a text.
    #[must_use]
    pub fn at(file: &str, text: &str, place: Place, problem: Problem) -> Self {
        let problem = presentable(problem);
        let snippet = place
            .line
            .checked_sub(1)
            .and_then(|above| text.lines().nth(above))
            .map(|line| line.chars().take(SNIPPET_CHARS_MAX).collect::<String>())
            .map(|line| murphy_observe::redact::text(&line).into_owned());
        Self {
            file: file.to_owned(),
            line: place.line,
            column: place.column,
            problem,
            snippet,
        }
    }

    /// A problem of a source that has no lines: a file that cannot be read, an environment variable.
    #[must_use]
    pub fn nowhere(file: &str, problem: Problem) -> Self {
        let problem = presentable(problem);
        Self {
            file: file.to_owned(),
            line: 0,
            column: 0,
            problem,
            snippet: None,
        }
    }
}

/// A place in a text: line and column in characters, from 1; zeros if it is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Place {
    /// The place of a byte offset.
    #[must_use]
    pub fn of_offset(text: &str, offset: usize) -> Self {
        let before = text
            .char_indices()
            .take_while(|(at, _)| *at < offset)
            .map(|(_, c)| c);
        before.fold(Self { line: 1, column: 1 }, |place, c| match c {
            '\n' => Self {
                line: place.line + 1,
                column: 1,
            },
            _ => Self {
                column: place.column + 1,
                ..place
            },
        })
    }
}

impl fmt::Display for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            return write!(f, "{}: {}", self.file, self.problem);
        }
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.problem)?;
        let Some(snippet) = &self.snippet else {
            return Ok(());
        };
        // Tabs stay tabs in the margin, so that the caret stands under its character.
        let margin: String = snippet
            .chars()
            .take(self.column.saturating_sub(1))
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        let gutter = " ".repeat(self.line.to_string().len());
        write!(f, "\n {} | {snippet}\n {gutter} | {margin}^", self.line)
    }
}
