//! Effects before the upstream is called, in the plan's order.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header;
use http::{Response, request};
use murphy_core::effect::{Abort, AbortAt, AbortHow, DelayAt, Effect, Hang, Respond, Side, UpstreamUse};
use murphy_core::plan::{Planned, Skip};
use tokio::time::Instant;

use super::pace::Paced;
use super::wait::Held;
use super::{Ctx, edit, head, respond, shown};
use crate::body::{BoxBody, Collected, Parts, collect_capped, content_length, discard};
use crate::error::Break;

/// How much of a request's body is read away before an injected answer, so that the connection can live on.
const DISCARD_BYTES_MAX: u64 = 1 << 20;
/// How long that may take.
const DISCARD_TIME_MAX: Duration = Duration::from_secs(2);

/// What comes after the request's effects.
pub enum Next {
    /// The upstream is called.
    Forward(Forward),
    /// A fault answered.
    Answer(Response<Bytes>),
    /// A fault gave the connection up.
    GiveUp(Break),
}

/// How the upstream is called, and what is left to do with its answer.
pub struct Forward {
    /// The request's body.
    pub body: BoxBody,
    /// The body again, for each further time that the request is sent.
    pub again: Vec<Bytes>,
    /// The terminal effect that waits for the upstream's answer.
    pub after: Option<Planned>,
    /// Effects on the response, in order.
    pub later: Vec<Planned>,
}

/// What one effect leads to.
enum Step {
    On(BoxBody),
    End(Next),
}

/// Executes the effects that come before the upstream.
pub async fn execute(ctx: &Ctx<'_>, plan: Vec<Planned>, parts: &mut request::Parts, body: BoxBody) -> Next {
    let mut forward = Forward {
        body,
        again: Vec::new(),
        after: None,
        later: Vec::new(),
    };
    for planned in plan {
        if !ctx.gate.is_open(planned.rule.activation) {
            ctx.trace.skipped(&planned.rule, Skip::Halted);
            continue;
        }
        let body = std::mem::replace(&mut forward.body, Box::pin(Parts::whole(Bytes::new(), None)));
        match one(ctx, planned, parts, body, &mut forward).await {
            Step::On(body) => forward.body = body,
            Step::End(next) => return next,
        }
    }
    Next::Forward(forward)
}

async fn one(
    ctx: &Ctx<'_>,
    planned: Planned,
    parts: &mut request::Parts,
    mut body: BoxBody,
    forward: &mut Forward,
) -> Step {
    let effect = Arc::clone(&planned.effect);
    match &*effect {
        Effect::Delay(delay) if delay.at == DelayAt::Request => delayed(ctx, &planned).await,
        Effect::Head(change) if change.side == Side::Request => {
            head::edit(&mut parts.headers, change);
            ctx.trace.applied(&planned.rule, head::describe(change));
        }
        Effect::Body(change) if change.side == Side::Request => {
            body = edit::body(ctx, &planned, &change.edit, &mut parts.headers, body).await;
        }
        Effect::Pace(pace) => {
            if pace.request {
                let total = content_length(&parts.headers);
                body = Box::pin(Paced::new(body, pace.pace, total, &planned.rule, ctx));
            }
            if pace.response {
                forward.later.push(planned);
            }
        }
        Effect::Duplicate { sends } => body = duplicated(ctx, &planned, *sends, body, forward).await,
        Effect::Limit(limit) => match planned.drawn.reading {
            Some(reading) if reading.exhausted => {
                ctx.trace
                    .applied(&planned.rule, format!("over the limit of {}", limit.limit));
                read_away(&parts.headers, &mut body).await;
                return Step::End(Next::Answer(respond::limited(
                    ctx,
                    limit,
                    &reading,
                    planned.drawn.bits,
                )));
            }
            _ => forward.later.push(planned),
        },
        Effect::Respond(Respond {
            upstream: UpstreamUse::Skip,
            reply,
            malformed,
        }) => {
            return answered(ctx, &planned, reply, *malformed, parts, body).await;
        }
        Effect::Abort(Abort {
            at: AbortAt::BeforeResponse,
            how,
        }) => {
            read_away(&parts.headers, &mut body).await;
            return Step::End(Next::GiveUp(broken(ctx, &planned, *how)));
        }
        Effect::Hang(Hang {
            upstream: UpstreamUse::Skip,
            max,
        }) => {
            return match hung(ctx, &planned, *max).await {
                Some(broken) => Step::End(Next::GiveUp(broken)),
                None => Step::On(body),
            };
        }
        Effect::Respond(_)
        | Effect::Hang(_)
        | Effect::Abort(Abort {
            at: AbortAt::AfterUpstream,
            ..
        }) => {
            forward.after = Some(planned);
        }
        Effect::Delay(_) | Effect::Head(_) | Effect::Body(_) | Effect::Abort(_) => {
            forward.later.push(planned)
        }
    }
    Step::On(body)
}

/// Waits for what was drawn.
pub async fn delayed(ctx: &Ctx<'_>, planned: &Planned) {
    let since = Instant::now();
    let held = ctx
        .gate
        .hold(&planned.rule, since.checked_add(planned.drawn.wait), ctx.trace)
        .await;
    let drawn = shown(planned.drawn.wait);
    ctx.trace.applied(
        &planned.rule,
        match held {
            Held::Elapsed => format!("delay {drawn}"),
            Held::Released => format!("delay {drawn}, released after {}ms", since.elapsed().as_millis()),
        },
    );
}

/// Holds the call; `None` if it was released and goes on as normal.
pub async fn hung(ctx: &Ctx<'_>, planned: &Planned, max: Option<Duration>) -> Option<Break> {
    ctx.trace.touch(&planned.rule);
    let since = Instant::now();
    let held = ctx
        .gate
        .hold(
            &planned.rule,
            max.and_then(|max| since.checked_add(max)),
            ctx.trace,
        )
        .await;
    let waited = format!("hung for {}ms", since.elapsed().as_millis());
    match held {
        Held::Elapsed => {
            ctx.trace
                .applied(&planned.rule, format!("{waited}, then gave up"));
            Some(Break::injected(AbortHow::Fin))
        }
        Held::Released => {
            ctx.trace
                .applied(&planned.rule, format!("{waited}, then released"));
            None
        }
    }
}

/// Breaks the agent's connection or stream.
pub fn broken(ctx: &Ctx<'_>, planned: &Planned, how: AbortHow) -> Break {
    ctx.trace.applied(
        &planned.rule,
        format!("aborted ({})", format!("{how:?}").to_lowercase()),
    );
    if how == AbortHow::Rst || (!ctx.http2 && matches!(how, AbortHow::H2Reset(_))) {
        ctx.conn.reset();
    }
    Break::injected(how)
}

async fn answered(
    ctx: &Ctx<'_>,
    planned: &Planned,
    source: &murphy_core::effect::ReplySource,
    malformed: bool,
    parts: &request::Parts,
    mut body: BoxBody,
) -> Step {
    match respond::answer(ctx, source, planned.drawn.bits) {
        Ok((response, what)) => {
            ctx.trace.applied(&planned.rule, what);
            if malformed {
                ctx.trace.damaged();
            }
            read_away(&parts.headers, &mut body).await;
            Step::End(Next::Answer(response))
        }
        Err(why) => {
            ctx.trace.skipped(&planned.rule, why);
            Step::On(body)
        }
    }
}

/// Reads the request's body away before an injected end, within bounds; not if the client waits for `100`.
async fn read_away(headers: &http::HeaderMap, body: &mut BoxBody) {
    if !headers.contains_key(header::EXPECT) {
        let reading = discard(body, DISCARD_BYTES_MAX);
        let _cut_short = tokio::time::timeout(DISCARD_TIME_MAX, reading).await;
    }
}

async fn duplicated(
    ctx: &Ctx<'_>,
    planned: &Planned,
    sends: u32,
    body: BoxBody,
    forward: &mut Forward,
) -> BoxBody {
    match collect_capped(body, ctx.body_bytes_max).await {
        Collected::Whole(bytes, trailers) => {
            forward.again = vec![bytes.clone(); sends.saturating_sub(1) as usize];
            ctx.trace.applied(&planned.rule, format!("sent {sends} times"));
            Box::pin(Parts::whole(bytes, trailers))
        }
        Collected::TooLarge(body) => {
            ctx.trace.skipped(&planned.rule, Skip::TooLarge);
            body
        }
        Collected::Broken(body) => {
            ctx.trace.skipped(&planned.rule, Skip::DoesNotApply);
            body
        }
    }
}
