//! Protocol switches (RFC 9110 §7.8): after `101` the connection is a tunnel, byte for byte in both directions.

use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;

use crate::listen::Conn;
use crate::record::{Broken, End, Record};

/// The agent's side of a switch that may come. Taken before the request is taken apart.
#[must_use]
pub fn agent_side(request: &mut Request<Incoming>) -> OnUpgrade {
    hyper::upgrade::on(request)
}

/// Splices the two connections once both have switched. The exchange ends when the tunnel does.
pub fn splice(
    agent: OnUpgrade,
    response: &mut Response<Incoming>,
    conn: &Arc<Conn>,
    mut record: Box<Record>,
) {
    let upstream = hyper::upgrade::on(response);
    conn.upgraded();
    let conn = Arc::clone(conn); // the tunnel keeps the connection's place until it ends
    tokio::spawn(async move {
        let tunnel = async {
            match (agent.await, upstream.await) {
                (Ok(agent), Ok(upstream)) => copy(agent, upstream).await.map_err(|_| End::AgentLeft),
                (Ok(_), Err(_)) => Err(End::Broken(Broken::Upstream)),
                (Err(_), _) => Err(End::AgentLeft),
            }
        };
        let ended = tokio::select! {
            ended = tunnel => ended,
            () = conn.aborted() => Err(End::AgentLeft),
        };
        let end = match ended {
            Ok((up, down)) => {
                record.received(up);
                record.sent(usize::try_from(down).unwrap_or(usize::MAX));
                End::Complete
            }
            Err(end) => end,
        };
        record.close(end);
    });
}

async fn copy(agent: Upgraded, upstream: Upgraded) -> std::io::Result<(u64, u64)> {
    let (mut agent, mut upstream) = (TokioIo::new(agent), TokioIo::new(upstream));
    let copied = tokio::io::copy_bidirectional(&mut agent, &mut upstream).await;
    // Whichever way it ended, neither side may wait for the other for ever.
    let _ended = (agent.shutdown().await, upstream.shutdown().await);
    copied
}
