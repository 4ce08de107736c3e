//! Effects on the upstream's answer, in the plan's order.

use http::Response;
use http::response;
use murphy_core::effect::{Abort, AbortAt, DelayAt, Effect, Hang, Position, Respond};
use murphy_core::outcome::Cause;
use murphy_core::plan::{Planned, Skip};
use murphy_wire::truncate;

use super::cut::{Cut, Ending};
use super::pace::Paced;
use super::request::{broken, delayed, hung};
use super::{Ctx, edit, head, respond};
use crate::body::{BoxBody, Collected, Parts, ProxyBody, collect_capped, content_length, discard};
use crate::error::Break;

/// The answer after its effects, and whose it is now.
pub type Executed = Result<(Response<ProxyBody>, Cause), Break>;

/// Executes the terminal effect that waited for the upstream, if any, then the effects on its answer.
///
/// # Errors
/// If a fault gives the connection up.
pub async fn execute(
    ctx: &Ctx<'_>,
    after: Option<Planned>,
    later: Vec<Planned>,
    answer: (response::Parts, BoxBody),
    bodiless: bool,
) -> Executed {
    let (mut parts, mut body) = answer;
    if let Some(planned) = after {
        match terminal(ctx, &planned, body).await? {
            Terminal::Answer(response) => return Ok((*response, Cause::Murphy)),
            Terminal::Released(same) => body = same,
        }
    }
    for planned in later {
        if !ctx.gate.is_open(planned.rule.activation) {
            ctx.trace.skipped(&planned.rule, Skip::Halted);
            continue;
        }
        body = one(ctx, &planned, &mut parts, body, bodiless).await;
    }
    Ok((
        Response::from_parts(parts, ProxyBody::faulted(body)),
        Cause::Upstream,
    ))
}

#[allow(clippy::large_enum_variant)] // made once a call, and taken apart at once
enum Terminal {
    Answer(Box<Response<ProxyBody>>),
    /// The fault was released: the upstream's answer passes.
    Released(BoxBody),
}

/// The upstream did the work; its answer is lost, replaced, or held.
async fn terminal(ctx: &Ctx<'_>, planned: &Planned, mut body: BoxBody) -> Result<Terminal, Break> {
    if !ctx.gate.is_open(planned.rule.activation) {
        ctx.trace.skipped(&planned.rule, Skip::Halted);
        return Ok(Terminal::Released(body));
    }
    match &*planned.effect {
        Effect::Respond(Respond { reply, malformed, .. }) => {
            match respond::answer(ctx, reply, planned.drawn.bits) {
                Ok((response, what)) => {
                    let _broke = discard(&mut body, ctx.body_bytes_max).await;
                    ctx.trace
                        .applied(&planned.rule, format!("{what} after the upstream's own answer"));
                    if *malformed {
                        ctx.trace.damaged();
                    }
                    Ok(Terminal::Answer(Box::new(response.map(ProxyBody::full))))
                }
                Err(why) => {
                    ctx.trace.skipped(&planned.rule, why);
                    Ok(Terminal::Released(body))
                }
            }
        }
        Effect::Hang(Hang { max, .. }) => match hung(ctx, planned, *max).await {
            Some(broken) => Err(broken),
            None => Ok(Terminal::Released(body)),
        },
        Effect::Abort(Abort { how, .. }) => {
            let _broke = discard(&mut body, ctx.body_bytes_max).await;
            Err(broken(ctx, planned, *how))
        }
        _ => Ok(Terminal::Released(body)),
    }
}

async fn one(
    ctx: &Ctx<'_>,
    planned: &Planned,
    parts: &mut response::Parts,
    body: BoxBody,
    bodiless: bool,
) -> BoxBody {
    match &*planned.effect {
        Effect::Delay(delay) if delay.at == DelayAt::Headers => delayed(ctx, planned).await,
        Effect::Head(change) => {
            head::edit(&mut parts.headers, change);
            ctx.trace.applied(&planned.rule, head::describe(change));
            if change.malformed {
                ctx.trace.damaged();
            }
        }
        Effect::Limit(limit) => {
            if let Some(reading) = &planned.drawn.reading {
                respond::limit_fields(ctx, limit, reading, &mut parts.headers);
            }
        }
        _ if bodiless => ctx.trace.skipped(&planned.rule, Skip::DoesNotApply),
        Effect::Delay(_) => return Box::pin(Paced::delayed(body, planned.drawn.wait, &planned.rule, ctx)),
        Effect::Pace(pace) => {
            let total = content_length(&parts.headers);
            return Box::pin(Paced::new(body, pace.pace, total, &planned.rule, ctx));
        }
        Effect::Body(change) => {
            return edit::body(ctx, planned, &change.edit, &mut parts.headers, body).await;
        }
        Effect::Abort(Abort {
            at: AbortAt::MidBody(position),
            how,
        }) => {
            return cut(ctx, planned, *position, Ending::Break(*how), parts, body).await;
        }
        Effect::Abort(_) | Effect::Respond(_) | Effect::Hang(_) | Effect::Duplicate { .. } => {}
    }
    body
}

/// Breaks inside the body. A share of a body whose length nobody declared needs the whole body first.
async fn cut(
    ctx: &Ctx<'_>,
    planned: &Planned,
    position: Position,
    ending: Ending,
    parts: &response::Parts,
    body: BoxBody,
) -> BoxBody {
    let declared = content_length(&parts.headers);
    if let (Position::Bytes(at), Some(length)) = (position, declared)
        && at >= length
    {
        ctx.trace.skipped(&planned.rule, Skip::DoesNotApply); // all of it is there before the break
        return body;
    }
    ctx.trace.touch(&planned.rule);
    if let (Position::Bytes(at), of) = (position, declared) {
        return Box::pin(Cut::new(body, at, of, ending, &planned.rule, ctx));
    }
    let (length, body): (u64, BoxBody) = match declared {
        Some(length) => (length, body),
        None if edit::is_event_stream(&parts.headers) => {
            ctx.trace.skipped(&planned.rule, Skip::Unsupported); // the length of a stream is not known before its end
            return body;
        }
        None => match collect_capped(body, ctx.body_bytes_max).await {
            Collected::Whole(bytes, trailers) => {
                (bytes.len() as u64, Box::pin(Parts::whole(bytes, trailers)))
            }
            Collected::TooLarge(body) | Collected::Broken(body) => {
                ctx.trace.skipped(&planned.rule, Skip::TooLarge);
                return body;
            }
        },
    };
    match truncate::place(position, length) {
        Some(at) => Box::pin(Cut::new(body, at, Some(length), ending, &planned.rule, ctx)),
        None => {
            ctx.trace.skipped(&planned.rule, Skip::DoesNotApply);
            body
        }
    }
}
