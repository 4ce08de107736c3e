//! What verbs print: data on standard output, as text for people or as JSON for programs.

use std::io::Write;

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::exit::Failure;

/// What is good: armed, ok.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
/// What is bad: tripped, errors.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// What is on, what was injected.
pub(crate) const ACTIVE: Style = AnsiColor::Yellow.on_default().bold();
/// What matters less.
pub(crate) const DIM: Style = Style::new().dimmed();
/// Headings.
pub(crate) const HEAD: Style = Style::new().bold();

/// How data is printed: as text for people, or as one JSON document for programs (`tail`: one a line).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    #[default]
    Text,
    Json,
}

/// Standard output. Colours are taken out where they are not wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    pub(crate) format: Format,
}

impl Output {
    /// Prints `value` as JSON, or what `text` makes of it.
    pub(crate) fn print<T: Serialize>(
        self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Json => self.line(&json(value, true)?),
            Format::Text => self.line(text(value).trim_end()),
        }
    }

    /// Prints `value` on one line: as JSON, or what `text` makes of it.
    pub(crate) fn print_line<T: Serialize>(
        self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Json => self.line(&json(value, false)?),
            Format::Text => self.line(&text(value)),
        }
    }

    /// Prints a text as it stands.
    pub(crate) fn line(self, text: &str) -> Result<(), Failure> {
        let mut out = anstream::stdout().lock();
        writeln!(out, "{text}")?;
        out.flush()?;
        Ok(())
    }
}

fn json<T: Serialize>(value: &T, pretty: bool) -> Result<String, Failure> {
    let made = if pretty {
        serde_json::to_string_pretty(value)
    } else {
        serde_json::to_string(value)
    };
    // Terminals act on control characters; JSON lets only these be escaped outside ASCII as well.
    made.map(|text| escape(&text, json_escape))
        .map_err(Failure::failed)
}

/// Says something to the person, on standard error. A standard error that is gone cannot be told about.
pub(crate) fn say(words: &str) {
    writeln!(anstream::stderr().lock(), "{words}").ok();
}

/// `text` in `style`.
pub(crate) fn styled(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Text from elsewhere, made harmless for a terminal and a log: control characters (C0, C1, DEL) and those that
/// change the direction of text are escaped.
pub(crate) fn printable(text: &str) -> String {
    escape(text, |c| c.escape_unicode().to_string())
}

/// As [`printable`], for a text of several lines, which stay lines.
pub(crate) fn printable_lines(text: &str) -> String {
    escape(text, |c| match c {
        '\n' | '\t' => c.to_string(),
        _ => c.escape_unicode().to_string(),
    })
}

/// `c` as an escape of JSON; none of the characters concerned lies outside the basic plane.
pub(crate) fn json_escape(c: char) -> String {
    match c {
        // The line ends of a pretty document; inside its strings they are escaped already.
        '\n' => "\n".to_owned(),
        _ => format!("\\u{:04x}", u32::from(c)),
    }
}

/// Replaces each character that a terminal acts on.
pub(crate) fn escape(text: &str, escaped: impl Fn(char) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmful(c) {
            out.push_str(&escaped(c));
        } else {
            out.push(c);
        }
    }
    out
}

fn is_harmful(c: char) -> bool {
    // Unicode's bidirectional controls (UAX #9) and its line and paragraph separators.
    let turns =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns
}

/// A table without lines between its rows, as wide as the terminal at most.
pub(crate) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        // The stream that it is written to takes colours out where they are not wanted.
        .enforce_styling()
        .set_header(
            header
                .iter()
                .map(|title| comfy_table::Cell::new(title).add_attribute(comfy_table::Attribute::Dim)),
        );
    table
}

/// A table as text, without the blanks that pad its last column.
pub(crate) fn table_text(table: &Table) -> String {
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_acts_on_is_escaped_and_the_rest_is_kept() {
        let hostile = "a\u{1b}]0;x\u{7}b\nc\u{9b}31md\u{202e}e\u{2066}f\u{7f}";
        let safe = printable(hostile);
        assert!(safe.chars().all(|c| c.is_ascii_graphic()), "{safe}");
        assert_eq!(printable("/v1/größe?q=日本 x"), "/v1/größe?q=日本 x");
    }

    #[test]
    fn printed_json_says_the_same_as_the_value() {
        let value = serde_json::json!({ "path": "a\u{1b}\u{9b}\n\u{202e}ü" });
        for pretty in [true, false] {
            let text = json(&value, pretty).unwrap();
            assert!(!text.contains('\u{9b}') && !text.contains('\u{202e}'), "{text}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
        }
    }
}
