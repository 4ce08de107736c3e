//! Edits of a whole body: read within a bound, decoded, changed, encoded again, framed anew.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use murphy_core::effect::{AbortHow, Edit, Position};
use murphy_core::plan::{Planned, Skip};
use murphy_wire::coding::{self, Caps, Coding};
use murphy_wire::{corrupt, json_edit, truncate};

use super::cut::{Cut, Ending};
use super::{Ctx, Edited, contained};
use crate::body::{BoxBody, Collected, Parts, collect_capped, content_length};
use crate::hop;

/// Ratio of decoded to encoded bytes above which a body counts as a decompression bomb.
const RATIO_MAX: usize = 100;

/// Fields that describe the bytes of a body and no longer hold once it is edited.
const DIGESTS: [&str; 5] = ["etag", "content-md5", "digest", "content-digest", "repr-digest"];

/// Edits the body of a message whose head is `headers`. Whatever cannot be edited passes as it came, and the
/// trace says why.
pub async fn body(
    ctx: &Ctx<'_>,
    planned: &Planned,
    edit: &Edit,
    headers: &mut HeaderMap,
    body: BoxBody,
) -> BoxBody {
    if let Some((at, ending)) = streams(edit, headers) {
        return cut(ctx, planned, headers, body, at, ending);
    }
    if is_event_stream(headers) {
        ctx.trace.skipped(&planned.rule, Skip::Unsupported); // reading it whole would hold the events back
        return body;
    }
    let (bytes, trailers) = match collect_capped(body, ctx.body_bytes_max).await {
        Collected::Whole(bytes, trailers) => (bytes, trailers),
        Collected::TooLarge(body) => {
            ctx.trace.skipped(&planned.rule, Skip::TooLarge);
            return body;
        }
        Collected::Broken(body) => {
            ctx.trace.skipped(&planned.rule, Skip::DoesNotApply);
            return body;
        }
    };
    if !ctx.gate.is_open(planned.rule.activation) {
        ctx.trace.skipped(&planned.rule, Skip::Halted);
        return Box::pin(Parts::whole(bytes, trailers));
    }
    match apply(ctx, edit, planned.drawn.bits, headers, &bytes) {
        Ok((edited, what)) => {
            ctx.trace.applied(&planned.rule, what);
            let edited = Reframed {
                edited,
                before: bytes.len(),
                trailers,
            };
            finish(ctx, planned, edit, headers, edited)
        }
        Err(why) => {
            ctx.trace.skipped(&planned.rule, why);
            Box::pin(Parts::whole(bytes, trailers))
        }
    }
}

/// The cuts that need no look at the body.
fn streams(edit: &Edit, headers: &HeaderMap) -> Option<(u64, bool)> {
    let Edit::Truncate { at, clean } = edit else {
        return None;
    };
    if *clean && headers.contains_key(header::CONTENT_ENCODING) {
        return None; // cut after decoding, or the decoder would notice before the parser does
    }
    let at = match (*at, content_length(headers)) {
        (Position::Bytes(at), _) => at,
        (position @ Position::Share(_), Some(length)) => truncate::place(position, length)?,
        _ => return None,
    };
    Some((at, *clean))
}

fn cut(
    ctx: &Ctx<'_>,
    planned: &Planned,
    headers: &mut HeaderMap,
    body: BoxBody,
    at: u64,
    clean: bool,
) -> BoxBody {
    let length = content_length(headers);
    if length.is_some_and(|length| length <= at) {
        ctx.trace.skipped(&planned.rule, Skip::DoesNotApply);
        return body;
    }
    ctx.trace.touch(&planned.rule);
    if clean && length.is_some() {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(at));
    }
    let ending = if clean {
        Ending::Clean
    } else {
        Ending::Break(AbortHow::Fin)
    };
    Box::pin(Cut::new(body, at, length, ending, &planned.rule, ctx))
}

/// Decodes, edits and encodes.
fn apply(ctx: &Ctx<'_>, edit: &Edit, bits: u64, headers: &HeaderMap, body: &Bytes) -> Edited {
    let coding = match edit {
        // These put whole bytes in place, or none: what the old ones were does not matter.
        Edit::Replace { .. } | Edit::Length { .. } => Coding::parse(None)?,
        _ => Coding::parse(
            headers
                .get(header::CONTENT_ENCODING)
                .map(|value| value.to_str().unwrap_or("?")),
        )?,
    };
    let caps = Caps {
        bytes_max: usize::try_from(ctx.body_bytes_max).unwrap_or(usize::MAX),
        ratio_max: RATIO_MAX,
    };
    contained(|| {
        let plain = coding::decode(coding, body, caps)?;
        let (edited, what) = change(edit, &plain, bits)?;
        Ok((coding::encode(coding, &edited)?, what))
    })
}

fn change(edit: &Edit, body: &[u8], bits: u64) -> Edited {
    let length = body.len() as u64;
    match edit {
        Edit::Truncate {
            at: Position::InsideJson,
            ..
        } => {
            let at = truncate::inside_json(body, bits).ok_or(Skip::NotJson)?;
            prefix(body, at)
        }
        Edit::Truncate { at, .. } => {
            let at = truncate::place(*at, length)
                .filter(|at| *at < length)
                .ok_or(Skip::DoesNotApply)?;
            prefix(body, usize::try_from(at).unwrap_or(usize::MAX))
        }
        Edit::Corrupt(how) => {
            let damaged = corrupt::corrupt(body, *how, bits)?;
            Ok((
                damaged.body,
                format!("{} at byte {} of {length}", damaged.what, damaged.at),
            ))
        }
        Edit::Replace { body: new, .. } => Ok((
            new.to_vec(),
            format!("body replaced ({length} by {} bytes)", new.len()),
        )),
        Edit::JsonPatch(patch) => Ok((
            json_edit::json_patch(body, patch)?,
            "JSON patch applied".to_owned(),
        )),
        Edit::MergePatch(patch) => Ok((
            json_edit::merge_patch(body, patch)?,
            "merge patch applied".to_owned(),
        )),
        Edit::Length { delta } => {
            length
                .checked_add_signed(*delta)
                .filter(|declared| *declared != length)
                .ok_or(Skip::DoesNotApply)?;
            Ok((body.to_vec(), format!("content-length off by {delta}")))
        }
    }
}

fn prefix(body: &[u8], at: usize) -> Edited {
    let kept = body.get(..at).ok_or(Skip::DoesNotApply)?;
    Ok((kept.to_vec(), format!("cut after {at} of {} bytes", body.len())))
}

/// An edited body before it is framed.
struct Reframed {
    edited: Vec<u8>,
    /// How long it was.
    before: usize,
    trailers: Option<HeaderMap>,
}

/// Frames the edited body.
fn finish(
    ctx: &Ctx<'_>,
    planned: &Planned,
    edit: &Edit,
    headers: &mut HeaderMap,
    mut body: Reframed,
) -> BoxBody {
    hop::retain(headers, |name| !DIGESTS.contains(&name.as_str()));
    let whole = body.edited.len() as u64;
    let mut declared = whole;
    match edit {
        Edit::Truncate { clean: false, .. } => declared = whole.max(body.before as u64).max(whole + 1),
        Edit::Length { delta } => declared = whole.saturating_add_signed(*delta),
        Edit::Replace { content_type, .. } => {
            hop::remove(headers, &header::CONTENT_ENCODING);
            if let Some(content_type) = content_type {
                headers.insert(header::CONTENT_TYPE, content_type.clone());
            }
        }
        Edit::Truncate { .. } | Edit::Corrupt(_) => ctx.trace.damaged(),
        Edit::JsonPatch(_) | Edit::MergePatch(_) => {}
    }
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(declared));
    if declared > whole {
        let body: BoxBody = Box::pin(Parts::whole(body.edited.into(), None));
        return Box::pin(Cut::new(
            body,
            whole,
            Some(declared),
            Ending::Break(AbortHow::Fin),
            &planned.rule,
            ctx,
        ));
    }
    if declared < whole {
        ctx.trace.damaged();
        body.edited
            .truncate(usize::try_from(declared).unwrap_or(usize::MAX));
    }
    Box::pin(Parts::whole(body.edited.into(), body.trailers))
}

const EVENT_STREAM: &[u8] = b"text/event-stream";

/// Whether the body is a stream of server-sent events.
#[must_use]
pub fn is_event_stream(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.as_bytes().trim_ascii_start().get(..EVENT_STREAM.len()))
        .is_some_and(|start| start.eq_ignore_ascii_case(EVENT_STREAM))
}
