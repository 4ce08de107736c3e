//! Answers in the upstream's place.

use std::borrow::Cow;

use bytes::Bytes;
use http::Response;
use http::header::{self, HeaderMap, HeaderValue};
use murphy_core::effect::{Limit, Reply, ReplySource};
use murphy_core::failure::{Failure, FailureKind};
use murphy_core::plan::{LimitReading, Skip};
use murphy_dialects::dialect::Rendering;

use super::Ctx;
use crate::rescue;

/// The answer that `source` names.
///
/// # Errors
/// [`Skip::NothingEarlier`] if an earlier answer is asked for and none is remembered.
pub fn answer(ctx: &Ctx<'_>, source: &ReplySource, bits: u64) -> Result<(Response<Bytes>, String), Skip> {
    let (reply, what): (Cow<'_, Reply>, String) = match source {
        ReplySource::Fixed(reply) => (Cow::Borrowed(reply), format!("answered {}", reply.status)),
        ReplySource::Failure(failure) => {
            let reply = ctx.dialect.render(failure, &rendering(ctx, None, bits));
            let what = format!("answered {} ({})", reply.status, failure.kind);
            (Cow::Owned(reply), what)
        }
        ReplySource::SelfRedirect { status } => (
            Cow::Owned(redirect(ctx.target, *status)),
            format!("redirected to itself ({status})"),
        ),
        ReplySource::Earlier => {
            let reply = ctx.memory.recall(ctx.memory_key).ok_or(Skip::NothingEarlier)?;
            (Cow::Owned((*reply).clone()), "answered as before".to_owned())
        }
    };
    Ok((rescue::respond(&reply, ctx.arrived), what))
}

/// The answer of an exhausted limiter: rate limited, with a wait that is true.
#[must_use]
pub fn limited(ctx: &Ctx<'_>, limit: &Limit, reading: &LimitReading, bits: u64) -> Response<Bytes> {
    let failure = Failure {
        kind: FailureKind::RateLimited,
        retry_after: Some(reading.resets_in),
        form: limit.form,
        message: None,
    };
    rescue::respond(
        &ctx.dialect
            .render(&failure, &rendering(ctx, Some((*limit, *reading)), bits)),
        ctx.arrived,
    )
}

/// The fields by which a limiter tells a call that passes how much is left.
pub fn limit_fields(ctx: &Ctx<'_>, limit: &Limit, reading: &LimitReading, headers: &mut HeaderMap) {
    for (name, value) in ctx
        .dialect
        .limit_headers(&rendering(ctx, Some((*limit, *reading)), 0))
    {
        headers.insert(name, value);
    }
}

fn rendering<'a>(ctx: &'a Ctx<'_>, limit: Option<(Limit, LimitReading)>, bits: u64) -> Rendering<'a> {
    Rendering {
        now: ctx.arrived,
        limit,
        bits,
        path: ctx.path,
        model: ctx.model,
    }
}

fn redirect(target: &str, status: u16) -> Reply {
    let location = HeaderValue::try_from(target).unwrap_or_else(|_| HeaderValue::from_static("/"));
    Reply {
        status,
        headers: vec![(header::LOCATION, location)],
        body: Bytes::new(),
    }
}
