//! What goes wrong with an upstream is answered by a problem that says so, and never by silence.

use std::net::SocketAddr;
use std::time::Duration;

use murphy_testkit::Sim;
use murphy_testkit::daemon::Daemon;
use murphy_testkit::peer::{Peer, Script};
use murphy_testkit::raw::{End, RawResponse};

use super::setup::{OK, client, configured, proxy_to, within, within_time};

/// A problem of the upstream's with this status (RFC 9457).
pub(super) fn assert_problem(response: &RawResponse, status: u16) {
    assert_eq!(
        response.status(),
        status,
        "{}",
        String::from_utf8_lossy(&response.body.content)
    );
    assert_eq!(
        response.head.header("content-type"),
        Some("application/problem+json")
    );
    assert!(
        response.head.header("date").is_some(),
        "an answer of Murphy's own has a date"
    );
    let problem = response.body.json();
    assert_eq!(problem["status"], status);
    assert_eq!(problem["cause"], "upstream", "{problem}");
    for member in ["type", "title", "detail"] {
        assert!(
            problem[member].as_str().is_some_and(|text| !text.is_empty()),
            "{member} in {problem}"
        );
    }
}

async fn ask(addr: SocketAddr, method: &str) -> RawResponse {
    let mut client = client(addr).await;
    let body = if method == "POST" {
        "Content-Length: 4\r\n\r\nbody"
    } else {
        "\r\n"
    };
    client
        .send(format!("{method} /x HTTP/1.1\r\nHost: {addr}\r\n{body}"))
        .await
        .unwrap();
    within("an answer", client.response(method)).await
}

/// Both the answer and the event log say what happened.
async fn check(daemon: &Daemon, status: u16, says: &str) {
    for method in ["GET", "POST"] {
        let response = ask(daemon.proxy(), method).await;
        assert_problem(&response, status);
        let detail = response.body.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(says), "{detail:?} does not say {says:?}");
    }
    let (_, exchanges) = daemon.control_get("/api/v1/exchanges").await;
    let exchanges = exchanges.as_array().unwrap();
    assert_eq!(exchanges.len(), 2);
    for exchange in exchanges {
        assert_eq!(
            (&exchange["status"], &exchange["cause"]),
            (&status.into(), &"upstream".into()),
            "{exchange}"
        );
        assert!(exchange["error"].as_str().unwrap().contains(says), "{exchange}");
    }
}

/// An answer that comes before the end of the request is the last one on its connection, and says so: the client
/// would otherwise send its next request into a connection that nobody reads.
#[tokio::test]
async fn an_answer_before_the_end_of_the_request_says_that_the_connection_closes() {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let daemon = proxy_to(&format!("http://{}", socket.local_addr().unwrap())).await;
    let addr = daemon.proxy();
    let half = format!("Content-Length: 8192\r\n\r\n{}", "x".repeat(4096));
    for body in [half.as_str(), "Transfer-Encoding: chunked\r\n\r\n"] {
        let mut client = client(addr).await;
        let request = format!("POST /x HTTP/1.1\r\nHost: {addr}\r\n{body}");
        client.send(request).await.unwrap();
        let response = within("an answer", client.response("POST")).await;
        assert_problem(&response, 502);
        assert_eq!(response.head.header("connection"), Some("close"));
        let (rest, end) = within("the end", client.read_to_end()).await;
        assert!(rest.is_empty());
        assert_eq!(end, End::Fin);
    }
    let response = ask(addr, "POST").await;
    assert_problem(&response, 502);
    assert_eq!(
        response.head.header("connection"),
        None,
        "the request was read to its end"
    );
}

#[tokio::test]
async fn refused() {
    // Taken, so that nobody else gets the port, and not listening.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let daemon = proxy_to(&format!("http://{}", socket.local_addr().unwrap())).await;
    check(&daemon, 502, "refused").await;
}

#[tokio::test]
async fn closed_before_the_head() {
    for script in [
        Script::new().read_request(),
        Script::new().read_request().send("HTTP/1.1 200 OK\r\nContent-Le"),
    ] {
        let peer = Peer::each(script);
        check(&proxy_to(&peer.url()).await, 502, "closed").await;
        assert_eq!(
            peer.requests().len(),
            2,
            "a request on a new connection is never sent twice"
        );
    }
}

#[tokio::test]
async fn reset_before_the_head() {
    let peer = Peer::each(Script::new().read_request().reset());
    check(&proxy_to(&peer.url()).await, 502, "reset").await;
    assert_eq!(
        peer.requests().len(),
        2,
        "a request on a new connection is never sent twice"
    );
}

#[tokio::test]
async fn answers_that_are_not_http() {
    let long_line = format!("HTTP/1.1 200 OK\r\nX-Long: {}\r\n\r\n", "x".repeat(1 << 20));
    for answer in [
        "garbage\r\n\r\n",
        "\0\u{1}\u{2}\u{3}\r\n\r\n",
        "HTTP/9.9 200 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 abc OK\r\n\r\n",
        "SSH-2.0-OpenSSH_9.6\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 0\r\n\r\n",
        &long_line,
    ] {
        let peer = Peer::each(Script::new().read_request().send(answer).read_until_left());
        let daemon = proxy_to(&peer.url()).await;
        for method in ["GET", "POST"] {
            let response = ask(daemon.proxy(), method).await;
            assert_eq!(response.status(), 502, "{:?}", &answer[..answer.len().min(40)]);
            assert_problem(&response, 502);
        }
    }
}

#[tokio::test]
async fn silence_is_ended_by_the_routes_timeouts() {
    for timeouts in ["first_byte = \"500ms\"", "total = \"500ms\""] {
        let peer = Peer::each(Script::new().read_request().read_until_left());
        let daemon = configured("", &peer.url(), &format!("timeouts = {{ {timeouts} }}")).await;
        within_time(Duration::from_secs(5), "two answers", check(&daemon, 504, "")).await;
        let seen = within_time(
            Duration::from_secs(1),
            "the end of the upstream's connections",
            peer.join(),
        )
        .await;
        assert!(seen.iter().all(|seen| seen.end.is_some()));
    }
}

#[tokio::test]
async fn an_address_that_drops_packets_is_ended_by_the_connect_timeout() {
    // A listener whose queue is full does not answer: Linux drops what comes then.
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = socket.local_addr().unwrap();
    let mut queued = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(300), tokio::net::TcpStream::connect(addr)).await
    {
        queued.push(stream);
        assert!(queued.len() < 10_000, "the queue has an end");
    }
    let daemon = configured(
        "",
        &format!("http://{addr}"),
        "timeouts = { connect = \"500ms\" }",
    )
    .await;
    within_time(
        Duration::from_secs(5),
        "two answers",
        check(&daemon, 504, "too long"),
    )
    .await;
}

#[tokio::test]
async fn a_name_without_an_address() {
    let daemon = configured(
        "",
        "http://nobody.invalid:8080",
        "timeouts = { connect = \"10s\" }",
    )
    .await;
    check(&daemon, 502, "resolved").await;
}

#[tokio::test]
async fn tls_that_is_none() {
    let chatty = Peer::each(Script::new().send("220 not tls at all\r\n").read_until_left());
    check(&proxy_to(&format!("https://{}", chatty.addr())).await, 502, "TLS").await;
    let closing = Peer::each(Script::new());
    check(&proxy_to(&format!("https://{}", closing.addr())).await, 502, "").await;
}

#[tokio::test]
async fn http_2_upstreams_that_speak_something_else() {
    let peer = Peer::each(Script::new().send(OK).read_until_left());
    let daemon = configured("", &peer.url(), "protocol = \"http2\"").await;
    check(&daemon, 502, "").await;
}

#[tokio::test]
async fn the_first_request_after_a_restart_is_served() {
    let sim = Sim::start("127.0.0.1:0".parse().unwrap()).unwrap();
    let addr = sim.addr();
    let daemon = proxy_to(&format!("http://{addr}")).await;
    let mut client = client(daemon.proxy()).await;
    let mut sim = Some(sim);
    for method in ["GET", "POST", "GET", "POST"] {
        let request = format!(
            "{method} /echo HTTP/1.1\r\nHost: {}\r\nContent-Length: 2\r\n\r\nhi",
            daemon.proxy()
        );
        client.send(&request).await.unwrap();
        assert_eq!(within("an answer", client.response(method)).await.status(), 200);
        drop(sim.take());
        client.send(&request).await.unwrap();
        let down = within("a problem", client.response(method)).await;
        assert_problem(&down, 502);
        sim = Some(within("the address is free again", restart(addr)).await);
        client.send(&request).await.unwrap();
        assert_eq!(
            within("an answer", client.response(method)).await.status(),
            200,
            "{method}"
        );
    }
}

/// The kernel frees the address only once the old listener's task has ended.
async fn restart(addr: SocketAddr) -> Sim {
    loop {
        match Sim::start(addr) {
            Ok(sim) => return sim,
            Err(_) => tokio::task::yield_now().await,
        }
    }
}
