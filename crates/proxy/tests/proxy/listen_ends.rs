//! How connections end: half-close, hang-up, reset, deadlines, limits, drain.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::Full;
use hyper::body::Incoming;
use murphy_core::effect::AbortHow;
use murphy_proxy::listen::{BoxError, Conn, ListenOptions, Service};
use murphy_testkit::peer::Signal;
use murphy_testkit::raw::{End, RawClient};
use murphy_testkit::tls::TestCa;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use crate::support::{Tells, echo, respond, serve};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Answers when it is told to; tells when it was called and when it was dropped.
fn waiting(called: &Signal, answer: &Signal, dropped: oneshot::Sender<()>) -> impl Service {
    let dropped = Arc::new(Mutex::new(Some(dropped)));
    let (called, answer) = (called.clone(), answer.clone());
    move |_request: Request<Incoming>, _conn: Arc<Conn>| {
        let tells = Tells(dropped.lock().unwrap().take());
        let (called, answer) = (called.clone(), answer.clone());
        async move {
            let _tells = tells;
            called.fire();
            answer.wait().await;
            Ok::<_, Infallible>(respond(200, vec![b'x'; 1_000_000]))
        }
    }
}

#[tokio::test]
async fn a_client_that_half_closes_gets_its_whole_answer() {
    let (called, answer, (dropped, _gone)) = (Signal::new(), Signal::new(), oneshot::channel());
    let served = serve(ListenOptions::default(), waiting(&called, &answer, dropped));
    let mut client = RawClient::connect(served.addr).await.unwrap();
    client.send(GET).await.unwrap();
    client.half_close().await.unwrap();
    called.wait().await;
    sleep(Duration::from_millis(100)).await; // longer than the time in which it is told from a hang-up
    answer.fire();
    let response = client.response("GET").await;
    assert_eq!((response.status(), response.body.content.len()), (200, 1_000_000));
    assert_eq!(client.read_to_end().await, (Vec::new(), End::Fin));
}

#[tokio::test]
async fn half_closing_after_a_body_and_after_pipelined_requests_works_too() {
    let served = serve(ListenOptions::default(), echo);
    let mut client = RawClient::connect(served.addr).await.unwrap();
    client
        .send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n")
        .await
        .unwrap();
    client.half_close().await.unwrap();
    assert_eq!(client.response("GET").await.body.text(), "GET /1 ");
    assert_eq!(client.response("POST").await.body.text(), "POST /2 x");
    assert_eq!(client.read_to_end().await, (Vec::new(), End::Fin));
}

#[tokio::test]
async fn a_client_that_hangs_up_cancels_its_call_at_once() {
    for reset in [false, true] {
        let (called, answer, (dropped, gone)) = (Signal::new(), Signal::new(), oneshot::channel());
        let served = serve(ListenOptions::default(), waiting(&called, &answer, dropped));
        let mut client = RawClient::connect(served.addr).await.unwrap();
        client.send(GET).await.unwrap();
        called.wait().await;
        sleep(Duration::from_millis(80)).await;
        let left = Instant::now();
        if reset {
            client.reset();
        } else {
            client.close().await;
        }
        gone.await.unwrap();
        assert!(
            left.elapsed() < Duration::from_millis(100),
            "{:?}",
            left.elapsed()
        );
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_within_a_stream_cancels_it_at_once() {
    struct Endless(bool, #[expect(dead_code, reason = "its drop tells")] Tells);
    impl Body for Endless {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let first = !std::mem::replace(&mut self.0, true);
            if first {
                Poll::Ready(Some(Ok(Frame::data("event".into()))))
            } else {
                Poll::Pending
            }
        }
    }
    let (dropped, gone) = oneshot::channel();
    let dropped = Arc::new(Mutex::new(Some(dropped)));
    let served = serve(
        ListenOptions::default(),
        move |_request: Request<Incoming>, _conn| {
            let tells = Tells(dropped.lock().unwrap().take());
            async move { Ok::<_, Infallible>(Response::new(Endless(false, tells))) }
        },
    );
    let mut client = RawClient::connect(served.addr).await.unwrap();
    client.send(GET).await.unwrap();
    client.read_head().await.unwrap();
    client.read_exact("5\r\nevent\r\n".len()).await.unwrap();
    let left = Instant::now();
    client.close().await; // sooner than a half-close would be: but the answer had begun
    gone.await.unwrap();
    assert!(
        left.elapsed() < Duration::from_millis(100),
        "{:?}",
        left.elapsed()
    );
}

#[tokio::test]
async fn an_upload_that_breaks_off_is_an_error_and_no_end() {
    let (outcome, told) = oneshot::channel();
    let outcome = Arc::new(Mutex::new(Some(outcome)));
    let served = serve(
        ListenOptions::default(),
        move |request: Request<Incoming>, _conn: Arc<Conn>| {
            let outcome = outcome.lock().unwrap().take().unwrap();
            async move {
                let body = http_body_util::BodyExt::collect(request.into_body()).await;
                outcome.send(body.is_err()).unwrap();
                Ok::<_, Infallible>(respond(200, ""))
            }
        },
    );
    let mut client = RawClient::connect(served.addr).await.unwrap();
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        .await
        .unwrap();
    client.half_close().await.unwrap();
    assert!(
        told.await.unwrap(),
        "a chunked body without its last chunk is not complete"
    );
}

/// A body that breaks after its bytes have been flushed.
struct Breaks {
    bytes: Option<Bytes>,
    conn: Arc<Conn>,
    since: Option<u64>,
    reset: bool,
}

impl Body for Breaks {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(bytes) = self.bytes.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        let flushes = self.conn.flushes();
        let since = *self.since.get_or_insert(flushes);
        ready!(self.conn.poll_flushed(cx, since));
        if self.reset {
            self.conn.reset();
        }
        Poll::Ready(Some(Err("on purpose".into())))
    }
}

fn breaking(size: usize, reset: bool) -> impl Service {
    move |_request: Request<Incoming>, conn: Arc<Conn>| async move {
        let mut response = Response::new(Breaks {
            bytes: Some(vec![b'x'; size].into()),
            conn,
            since: None,
            reset,
        });
        response.headers_mut().insert("content-length", (2 * size).into());
        Ok::<_, Infallible>(response)
    }
}

#[tokio::test]
async fn a_body_can_break_by_fin_and_by_rst_after_what_was_sent_before() {
    for (reset, expected) in [(false, End::Fin), (true, End::Rst)] {
        // The larger one does not fit into the socket's buffers.
        for size in [10, 5_000_000] {
            let served = serve(ListenOptions::default(), breaking(size, reset));
            let mut client = RawClient::connect(served.addr).await.unwrap();
            client.send(GET).await.unwrap();
            client.read_head().await.unwrap();
            let (bytes, end) = client.read_to_end().await;
            assert_eq!(end, expected, "{size} {reset}");
            // A reset takes with it what is still in the sender's kernel.
            if size == 10 || !reset {
                assert_eq!(bytes.len(), size, "{reset}");
            }
        }
    }
}

#[tokio::test]
async fn a_reset_goes_through_tls_and_sends_no_close_notify() {
    let ca = TestCa::new();
    let options = || ListenOptions {
        tls: Some(ca.server(&["http/1.1"])),
        ..ListenOptions::default()
    };
    for (reset, expected) in [(true, End::Rst), (false, End::NoCloseNotify)] {
        let served = serve(options(), breaking(10, reset));
        let mut client = RawClient::connect_tls(served.addr, ca.client(&[]), "localhost")
            .await
            .unwrap();
        client.send(GET).await.unwrap();
        client.read_head().await.unwrap();
        let (bytes, end) = client.read_to_end().await;
        assert_eq!((bytes.len(), end), (10, expected));
    }
}

#[tokio::test]
async fn an_orderly_end_under_tls_says_so() {
    let ca = TestCa::new();
    let options = ListenOptions {
        tls: Some(ca.server(&["http/1.1"])),
        ..ListenOptions::default()
    };
    let served = serve(options, echo);
    let mut client = RawClient::connect_tls(served.addr, ca.client(&[]), "localhost")
        .await
        .unwrap();
    client
        .send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(client.response("GET").await.status(), 200);
    assert_eq!(client.read_to_end().await, (Vec::new(), End::Fin));
}

#[tokio::test]
async fn a_fin_before_the_answer_stays_a_fin_although_a_body_lies_unread() {
    let served = serve(
        ListenOptions::default(),
        |_request: Request<Incoming>, _conn: Arc<Conn>| async {
            Err::<Response<Full<Bytes>>, BoxError>("on purpose".into())
        },
    );
    let mut client = RawClient::connect(served.addr).await.unwrap();
    let body = "x".repeat(200_000);
    client
        .send(format!(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n{body}"
        ))
        .await
        .unwrap();
    assert_eq!(client.read_to_end().await, (Vec::new(), End::Fin));
}

#[tokio::test]
async fn connections_can_be_ended_when_they_are_accepted() {
    #[derive(Clone)]
    struct Refuses(AbortHow);
    impl Service for Refuses {
        type Body = Full<Bytes>;
        type Error = Infallible;
        fn accepted(&self, _conn: &Arc<Conn>) -> Option<AbortHow> {
            Some(self.0)
        }
        async fn call(
            &self,
            request: Request<Incoming>,
            conn: Arc<Conn>,
        ) -> Result<Response<Full<Bytes>>, Infallible> {
            echo(request, conn).await
        }
    }
    for (how, expected) in [(AbortHow::Fin, End::Fin), (AbortHow::Rst, End::Rst)] {
        let served = serve(ListenOptions::default(), Refuses(how));
        let mut client = RawClient::connect(served.addr).await.unwrap();
        assert_eq!(client.read_to_end().await, (Vec::new(), expected));
    }
}

/// Sends `bytes`, and reads until the end: when did it come?
async fn closed_after(options: ListenOptions, bytes: &str) -> (Vec<u8>, Duration) {
    let served = serve(options, echo);
    let mut client = RawClient::connect(served.addr).await.unwrap();
    let begun = Instant::now();
    if !bytes.is_empty() {
        client.send(bytes).await.unwrap();
    }
    let (bytes, _) = client.read_to_end().await;
    (bytes, begun.elapsed())
}

/// tokio's timers have a grain of a millisecond and never fire early.
fn assert_at(elapsed: Duration, expected: Duration, what: &str) {
    assert!(
        elapsed >= expected && elapsed <= expected + Duration::from_millis(5),
        "{what}: {elapsed:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn slow_clients_are_closed_at_their_deadlines() {
    let options = || ListenOptions {
        header_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(60),
        ..ListenOptions::default()
    };
    for begun in ["", "PRI", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r"] {
        let (bytes, elapsed) = closed_after(options(), begun).await;
        assert_eq!(bytes, b"");
        assert_at(elapsed, options().header_timeout, begun);
    }
    let (bytes, elapsed) = closed_after(options(), "GET / HTTP/1.1\r\nHo").await;
    assert_eq!(bytes, b"");
    assert_at(elapsed, options().header_timeout, "half a head");
    let (bytes, elapsed) = closed_after(options(), GET).await;
    assert!(bytes.ends_with(b"GET / "));
    assert_at(elapsed, options().idle_timeout, "an idle connection");
    let stuck = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabc";
    let (bytes, elapsed) = closed_after(options(), stuck).await;
    assert!(String::from_utf8_lossy(&bytes).contains("stopped in the middle"));
    assert_at(elapsed, options().idle_timeout, "half a body");
    let idle_http2 = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let (_, elapsed) = closed_after(options(), idle_http2).await;
    assert!(
        elapsed <= options().idle_timeout + Duration::from_secs(31),
        "{elapsed:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn dripping_a_head_does_not_extend_its_deadline() {
    let served = serve(ListenOptions::default(), echo);
    let mut client = RawClient::connect(served.addr).await.unwrap();
    assert_eq!(client.get("/first").await.status(), 200);
    sleep(Duration::from_secs(30)).await; // idle: that is permitted
    let begun = Instant::now();
    for byte in "GET / HTTP/1.1\r\nHost: aaaaaaaaaaaaaaaaaaaaaaaaaaaaa".bytes() {
        if client.send([byte]).await.is_err() || begun.elapsed() > Duration::from_secs(12) {
            break;
        }
        sleep(Duration::from_secs(1)).await;
    }
    assert!(begun.elapsed() < Duration::from_secs(13), "{:?}", begun.elapsed());
    assert_eq!(client.read_to_end().await.0, b"");
}

#[tokio::test(start_paused = true)]
async fn no_deadline_runs_while_an_answer_is_awaited() {
    let served = serve(
        ListenOptions::default(),
        |_request: Request<Incoming>, _conn: Arc<Conn>| async {
            sleep(Duration::from_secs(600)).await;
            Ok::<_, Infallible>(respond(200, "late"))
        },
    );
    let mut client = RawClient::connect(served.addr).await.unwrap();
    assert_eq!(client.get("/").await.body.text(), "late");
    let begun = Instant::now();
    assert_eq!(client.read_to_end().await, (Vec::new(), End::Fin));
    assert_at(
        begun.elapsed(),
        Duration::from_secs(60),
        "idle counts from the answer",
    );
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_stalls_is_closed_at_its_deadline() {
    let ca = TestCa::new();
    let options = ListenOptions {
        tls: Some(ca.server(&["h2", "http/1.1"])),
        ..ListenOptions::default()
    };
    let served = serve(options, echo);
    let mut client = RawClient::connect(served.addr).await.unwrap();
    let begun = Instant::now();
    client.send(b"\x16\x03\x01\x02\x00\x01").await.unwrap();
    client.read_to_end().await;
    assert_at(begun.elapsed(), Duration::from_secs(5), "half a handshake");
    assert_eq!(served.listening.counts().handshakes_failed, 1);
}

#[tokio::test]
async fn connections_over_the_limits_are_closed_and_places_come_back() {
    for options in [
        ListenOptions {
            connections_max: 2,
            ..ListenOptions::default()
        },
        ListenOptions {
            connections_per_peer_max: Some(2),
            ..ListenOptions::default()
        },
    ] {
        let served = serve(options, echo);
        let mut first = RawClient::connect(served.addr).await.unwrap();
        let mut second = RawClient::connect(served.addr).await.unwrap();
        assert_eq!(first.get("/1").await.status(), 200);
        assert_eq!(second.get("/2").await.status(), 200);
        let mut third = RawClient::connect(served.addr).await.unwrap();
        assert_eq!(third.read_to_end().await.0, b"");
        assert_eq!(served.listening.counts().over_limit, 1);
        first.close().await;
        while served.listening.connections() > 1 {
            tokio::task::yield_now().await;
        }
        let mut fourth = RawClient::connect(served.addr).await.unwrap();
        assert_eq!(fourth.get("/4").await.status(), 200);
    }
}

#[tokio::test]
async fn a_drain_finishes_what_is_in_flight_and_ends_what_is_idle() {
    let (called, answer, (dropped, _gone)) = (Signal::new(), Signal::new(), oneshot::channel());
    let served = serve(ListenOptions::default(), waiting(&called, &answer, dropped));
    let mut silent = RawClient::connect(served.addr).await.unwrap();
    let mut busy = RawClient::connect(served.addr).await.unwrap();
    busy.send(GET).await.unwrap();
    called.wait().await;
    let draining = tokio::spawn({
        let listening = Arc::clone(&served.listening);
        async move { listening.drain(Duration::from_secs(30)).await }
    });
    assert_eq!(silent.read_to_end().await, (Vec::new(), End::Fin));
    answer.fire();
    let response = busy.response("GET").await;
    assert_eq!(response.head.header("connection"), Some("close"));
    assert!(response.body.is_complete());
    busy.close().await;
    assert_eq!(draining.await.unwrap(), 0);
    let refused = RawClient::connect(served.addr).await;
    assert!(refused.is_err(), "the listener is closed");
}

#[tokio::test(start_paused = true)]
async fn a_drain_cuts_what_is_left_at_its_deadline() {
    let (called, answer, (dropped, gone)) = (Signal::new(), Signal::new(), oneshot::channel());
    let served = serve(ListenOptions::default(), waiting(&called, &answer, dropped));
    let mut client = RawClient::connect(served.addr).await.unwrap();
    client.send(GET).await.unwrap();
    called.wait().await;
    let begun = Instant::now();
    assert_eq!(served.listening.drain(Duration::from_secs(7)).await, 1);
    assert_at(begun.elapsed(), Duration::from_secs(7), "the deadline");
    gone.await.unwrap();
    assert_eq!(client.read_to_end().await.0, b"");
    assert_eq!(served.listening.connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_is_cut_short_ends_now() {
    let (called, answer, (dropped, _gone)) = (Signal::new(), Signal::new(), oneshot::channel());
    let served = serve(ListenOptions::default(), waiting(&called, &answer, dropped));
    let mut client = RawClient::connect(served.addr).await.unwrap();
    client.send(GET).await.unwrap();
    called.wait().await;
    let begun = Instant::now();
    let second_signal = async {
        sleep(Duration::from_secs(1)).await;
        served.listening.abort();
    };
    let (left, ()) = tokio::join!(served.listening.drain(Duration::from_secs(600)), second_signal);
    assert_eq!(left, 1);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}
