//! Bodies that a scenario brings along: as text, as JSON, or from a file.

use bytes::Bytes;
use http::HeaderValue;
use murphy_core::problem::Problem;
use murphy_core::span::Size;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::check::{Check, at};
use crate::kind::Ctx;

/// The largest body that a scenario may bring along, in bytes.
pub const CONTENT_BYTES_MAX: usize = 8 << 20;

/// The places that a body may be written in; at most one is filled.
pub(crate) struct Sources<'a> {
    pub(crate) text: Option<&'a str>,
    pub(crate) json: Option<&'a Value>,
    pub(crate) file: Option<&'a str>,
}

/// A body and the type that goes with where it came from.
pub(crate) struct Content {
    pub(crate) body: Bytes,
    pub(crate) content_type: HeaderValue,
}

impl Sources<'_> {
    /// How many are filled.
    pub(crate) fn count(&self) -> usize {
        [self.text.is_some(), self.json.is_some(), self.file.is_some()]
            .into_iter()
            .filter(|filled| *filled)
            .count()
    }

    /// The body, if there is one. `base` is where the sources stand.
    pub(crate) fn read(&self, ctx: &Ctx<'_>, check: &mut Check, base: &[&str]) -> Option<Content> {
        if self.count() > 1 {
            check.refuse(base, "several bodies", "one of text, json and file");
            return None;
        }
        let (key, content) = match (self.text, self.json, self.file) {
            (Some(text), ..) => ("text", content(Bytes::copy_from_slice(text.as_bytes()), TEXT)),
            (_, Some(json), _) => ("json", content(Bytes::from(json.to_string()), JSON)),
            (.., Some(name)) => ("file", read_file(ctx, check, base, name)?),
            (None, None, None) => return None,
        };
        if content.body.len() > CONTENT_BYTES_MAX {
            let keys = [base, &[key]].concat();
            let found = format!("{} bytes", content.body.len());
            check.refuse(
                &keys,
                found,
                format!("at most {}", Size(CONTENT_BYTES_MAX as u64)),
            );
        }
        Some(content)
    }
}

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

fn content(body: Bytes, content_type: &'static str) -> Content {
    Content {
        body,
        content_type: HeaderValue::from_static(content_type),
    }
}

fn read_file(ctx: &Ctx<'_>, check: &mut Check, base: &[&str], name: &str) -> Option<Content> {
    let path = at(&[base, &["file"]].concat());
    // A scenario may come from somebody else: what it names must lie in its own folder.
    let inside = !name.is_empty()
        && !name.starts_with('/')
        && !name.contains(['\\', ':', '\0'])
        && name.split('/').all(|step| step != "..");
    if !inside {
        check.add(Problem::new(
            path,
            format_args!("{name:?}"),
            "a relative path below the scenario's folder",
        ));
        return None;
    }
    match (ctx.files)(name) {
        Ok(body) => Some(content(body, type_of(name))),
        Err(why) => {
            check.add(Problem::new(path, format_args!("{name:?}"), "a file that can be read").hint(why));
            None
        }
    }
}

fn type_of(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html" | "htm") => "text/html; charset=utf-8",
        Some("json") => JSON,
        Some("txt" | "md") => TEXT,
        Some("xml") => "application/xml",
        _ => "application/octet-stream",
    }
}

/// Reads a JSON value that may be `null` but is present.
pub(crate) fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}
