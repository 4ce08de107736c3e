//! The log on standard error: text for people, JSON elsewhere, and nothing in it that a terminal acts on.

use std::io::{self, IsTerminal, Write};

use anstream::AutoStream;
use jiff::Timestamp;
use murphy_core::clock::{SystemClock, WallClock};
use murphy_director::settings::LogFormat;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::{MakeWriter, Subscriber};

use crate::output::{escape, json_escape, printable};

/// The variables that say what is logged; the first that is set wins, and all win over the settings.
const LEVEL_VARIABLES: [&str; 2] = ["MURPHY_LOG", "RUST_LOG"];

/// Starts the log. `level` holds if no variable says otherwise: a level, or directives.
///
/// # Errors
/// If the directives are wrong, or a log was started before.
pub(crate) fn start(format: LogFormat, level: &str) -> Result<(), String> {
    let (source, directives) = LEVEL_VARIABLES
        .iter()
        .find_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)))
        .unwrap_or_else(|| ("log.level".to_owned(), level.to_owned()));
    let filter = EnvFilter::builder()
        .parse(&directives)
        .map_err(|error| format!("{source}: found {directives:?}, wanted a level such as info, or directives such as info,murphy_proxy=debug ({error})"))?;
    let text = match format {
        LogFormat::Auto => io::stderr().is_terminal(),
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    let started = if text {
        let colors = AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never;
        tracing::subscriber::set_global_default(text_log(filter, colors, io::stderr))
    } else {
        tracing::subscriber::set_global_default(json_log(filter, io::stderr))
    };
    started.map_err(|error| error.to_string())
}

fn text_log<W>(filter: EnvFilter, colors: bool, writer: W) -> impl tracing::Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // Values are escaped here, before the colours are put around them.
    let fields = debug_fn(|writer: &mut Writer<'_>, field, value: &dyn std::fmt::Debug| {
        let value = printable(&format!("{value:?}"));
        match field.name() {
            "message" => writer.write_str(&value),
            name => write!(writer, "{name}={value}"),
        }
    })
    .delimited(" ");
    Subscriber::builder()
        .with_env_filter(filter)
        .with_timer(Utc)
        .with_ansi(colors)
        .fmt_fields(fields)
        .with_writer(writer)
        .finish()
}

fn json_log<W>(filter: EnvFilter, writer: W) -> impl tracing::Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    Subscriber::builder()
        .json()
        .flatten_event(true)
        .with_env_filter(filter)
        .with_timer(Utc)
        .with_writer(JsonLines(writer))
        .finish()
}

/// RFC 3339 with milliseconds, UTC.
struct Utc;

impl FormatTime for Utc {
    fn format_time(&self, writer: &mut Writer<'_>) -> std::fmt::Result {
        let now = Timestamp::try_from(SystemClock.now()).map_err(|_| std::fmt::Error)?;
        write!(writer, "{}", now.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"))
    }
}

/// Escapes what JSON lets pass and a terminal acts on: C1 controls and changes of direction.
struct JsonLines<W>(W);

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for JsonLines<W> {
    type Writer = EscapingWriter<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        EscapingWriter(self.0.make_writer())
    }
}

/// Gets whole lines: the subscriber writes an event in one piece.
struct EscapingWriter<W>(W);

impl<W: Write> Write for EscapingWriter<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let escaped = escape(&String::from_utf8_lossy(line), json_escape);
        self.0.write_all(escaped.as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, PoisonError};

    use super::*;

    const HOSTILE: &str = "a\u{1b}]0;x\u{7}b\nc\u{9b}d\u{202e}e\"";

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            held.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Sink {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    fn log(subscriber: impl tracing::Subscriber + Send + Sync) {
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(path = HOSTILE, agent = %HOSTILE, "began {HOSTILE}");
        });
    }

    #[test]
    fn a_text_line_stays_one_line_without_controls() {
        let sink = Sink::default();
        let writer = sink.clone();
        log(text_log(EnvFilter::new("info"), false, move || writer.clone()));
        let text = sink.text();
        let line = text.strip_suffix('\n').unwrap();
        assert!(
            !line.contains(|c: char| c.is_control() || c == '\u{202e}'),
            "{line:?}"
        );
        assert!(line.contains("began a") && line.contains("agent=a"), "{line}");
    }

    #[test]
    fn a_json_line_is_one_object_that_holds_the_very_values() {
        let sink = Sink::default();
        let writer = sink.clone();
        log(json_log(EnvFilter::new("info"), move || writer.clone()));
        let text = sink.text();
        let line = text.strip_suffix('\n').unwrap();
        assert!(
            !line.contains(|c: char| c.is_control() || c == '\u{202e}'),
            "{line:?}"
        );
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["path"], HOSTILE);
        assert_eq!(event["message"], format!("began {HOSTILE}"));
        assert_eq!(event["level"], "INFO");
        let at = event["timestamp"].as_str().unwrap();
        assert!(at.len() == 24 && at.ends_with('Z') && at.contains('.'), "{at}");
    }
}
