//! HTTP/2 upstreams that limit, refuse, or go away.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use h2::server::SendResponse;
use http::Response;
use murphy_core::route::{Protocol, Route};
use murphy_proxy::upstream::{UpstreamErrorKind, Upstreams};
use murphy_testkit::peer::Signal;
use tokio::net::TcpListener;

use crate::support::{request, route, text, upstreams};

/// Serves HTTP/2 with this many streams at once; `answer` gets the number of the connection and of the stream
/// on it, both from 0.
async fn server(
    streams_max: u32,
    answer: impl Fn(usize, usize, SendResponse<Bytes>) + Clone + Send + 'static,
) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let came = Arc::clone(&connections);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (number, answer) = (came.fetch_add(1, Ordering::AcqRel), answer.clone());
            tokio::spawn(async move {
                let mut builder = h2::server::Builder::new();
                let mut connection = builder
                    .max_concurrent_streams(streams_max)
                    .handshake(stream)
                    .await
                    .unwrap();
                for stream in 0.. {
                    let Some(Ok((_, respond))) = connection.accept().await else {
                        break;
                    };
                    answer(number, stream, respond);
                }
            });
        }
    });
    (addr, connections)
}

fn ok(mut respond: SendResponse<Bytes>) {
    let mut body = respond.send_response(Response::new(()), false).unwrap();
    body.send_data("ok".into(), true).unwrap();
}

fn http2(addr: SocketAddr) -> Route {
    let mut route = route(addr);
    route.upstream.protocol = Protocol::Http2;
    route
}

async fn call(upstreams: &Upstreams, route: &Route) -> Result<bool, UpstreamErrorKind> {
    let sent = upstreams
        .send(route, request("POST", "/", "x"))
        .await
        .map_err(|error| error.kind())?;
    assert_eq!(text(sent.response.into_body()).await, "ok");
    Ok(sent.facts.retried)
}

#[tokio::test]
async fn a_full_connection_gets_a_second_one_beside_it() {
    let go_on = Signal::new();
    let waits = go_on.clone();
    let (addr, connections) = server(2, move |number, stream, respond| {
        let go_on = waits.clone();
        tokio::spawn(async move {
            if (number, stream) > (0, 1) {
                go_on.wait().await;
            }
            ok(respond);
        });
    })
    .await;
    let (upstreams, route) = (Arc::new(upstreams()), Arc::new(http2(addr)));
    // The upstream's limit comes with the first answer and is looked at with the second request.
    call(&upstreams, &route).await.unwrap();
    call(&upstreams, &route).await.unwrap();
    let calls: Vec<_> = (0..3)
        .map(|_| {
            let (upstreams, route) = (Arc::clone(&upstreams), Arc::clone(&route));
            tokio::spawn(async move { call(&upstreams, &route).await })
        })
        .collect();
    while connections.load(Ordering::Acquire) < 2 {
        tokio::task::yield_now().await;
    }
    go_on.fire();
    for call in calls {
        assert_eq!(call.await.unwrap(), Ok(false));
    }
    assert_eq!(upstreams.held(&route.upstream), (0, 2));
}

#[tokio::test]
async fn a_refused_stream_is_sent_again_whatever_the_method() {
    let (addr, connections) = server(100, |connection, stream, mut respond| {
        if (connection, stream) == (0, 1) {
            respond.send_reset(h2::Reason::REFUSED_STREAM);
        } else {
            ok(respond);
        }
    })
    .await;
    let (upstreams, route) = (upstreams(), http2(addr));
    assert_eq!(call(&upstreams, &route).await, Ok(false));
    assert_eq!(call(&upstreams, &route).await, Ok(true));
    assert_eq!(connections.load(Ordering::Acquire), 2);
    assert_eq!(upstreams.stats().again_unsent, 1);
}

#[tokio::test]
async fn any_other_reset_of_a_post_is_final() {
    let (addr, _) = server(100, |_, stream, mut respond| {
        if stream == 1 {
            respond.send_reset(h2::Reason::INTERNAL_ERROR);
        } else {
            ok(respond);
        }
    })
    .await;
    let (upstreams, route) = (upstreams(), http2(addr));
    assert_eq!(call(&upstreams, &route).await, Ok(false));
    assert_eq!(call(&upstreams, &route).await, Err(UpstreamErrorKind::Reset));
    assert_eq!(
        call(&upstreams, &route).await,
        Ok(false),
        "the connection goes on"
    );
}
