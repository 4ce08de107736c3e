//! Header edits.

use http::{HeaderMap, HeaderName, HeaderValue};
use murphy_core::effect::HeadEdit;

use crate::hop;

/// Removes, then sets, then adds.
pub fn edit(headers: &mut HeaderMap, edit: &HeadEdit) {
    hop::retain(headers, |name| !edit.remove.contains(name));
    let mut replaced: Vec<&HeaderName> = Vec::new();
    for (name, value) in &edit.set {
        if replaced.contains(&name) {
            headers.append(name.clone(), value.clone()); // a list of values under one name
        } else {
            headers.insert(name.clone(), value.clone());
            replaced.push(name);
        }
    }
    for (name, value) in &edit.add {
        headers.append(name.clone(), value.clone());
    }
}

/// What was done, for the exchange.
#[must_use]
pub fn describe(edit: &HeadEdit) -> String {
    let names =
        |verb: &str, names: Vec<&str>| (!names.is_empty()).then(|| format!("{verb} {}", names.join(", ")));
    let first = |pairs: &[(HeaderName, HeaderValue)]| {
        pairs.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>()
    };
    let (set, add) = (first(&edit.set), first(&edit.add));
    let parts = [
        names("remove", edit.remove.iter().map(HeaderName::as_str).collect()),
        names("set", set.iter().map(String::as_str).collect()),
        names("add", add.iter().map(String::as_str).collect()),
    ];
    format!(
        "headers: {}",
        parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
    )
}
