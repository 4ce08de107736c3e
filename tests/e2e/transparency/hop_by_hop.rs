//! Fields for one connection stay on it (RFC 9110 §7.6.1, threat T17), in both directions.

use murphy_testkit::peer::{Peer, Script};

use super::pair::{Case, check};
use super::setup::{client, configured, within};

#[tokio::test]
async fn of_requests() {
    let cases = vec![
        Case::get("keep-alive").fields("Keep-Alive: timeout=5\r\nX-Stays: 1\r\n").hop(&["keep-alive"]),
        Case::get("named by connection")
            .fields("Connection: X-Private, keep-alive\r\nX-Private: p\r\nX-Stays: 1\r\nX-Private: q\r\n")
            .hop(&["x-private"]),
        Case::get("named in two lines")
            .fields("Connection: x-one\r\nX-One: 1\r\nConnection: ,X-TWO ,\r\nX-Two: 2\r\nX-Stays: 3\r\n")
            .hop(&["x-one", "x-two"]),
        Case::get("for proxies")
            .fields("Proxy-Authorization: Basic c2VjcmV0\r\nProxy-Connection: keep-alive\r\nX-Stays: 1\r\n")
            .hop(&["proxy-authorization", "proxy-connection"]),
        Case::get("codings of this hop").fields("TE: gzip, deflate;q=0.5\r\nX-Stays: 1\r\n").hop(&["te"]),
        Case::get("an upgrade that nobody asked for").fields("Upgrade: h2c\r\nX-Stays: 1\r\n").hop(&["upgrade"]),
        Case::get("the agent's name is for Murphy").fields("X-Murphy-Agent: planner\r\n").hop(&["x-murphy-agent"]),
        Case::get("what decides cannot be stripped")
            .fields(
                "Connection: authorization, mcp-session-id, x-forwarded-for, cookie, x-api-key, host, content-type\r\n\
                 Authorization: Bearer t\r\nMcp-Session-Id: s\r\nX-Forwarded-For: 1.2.3.4\r\nCookie: c=1\r\n\
                 X-Api-Key: k\r\nContent-Type: text/x\r\n",
            ),
        Case::new("content-length cannot be stripped", "POST", "/p")
            .fields("Connection: content-length, transfer-encoding\r\n")
            .sized("body"),
    ];
    check(cases).await;
}

#[tokio::test]
async fn of_answers() {
    let answer = |fields: &str| format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 4\r\n\r\nbody");
    let cases = vec![
        Case::get("keep-alive")
            .answered(answer("Keep-Alive: timeout=5, max=99\r\nX-Stays: 1\r\n"))
            .hop(&["keep-alive"]),
        Case::get("named by connection")
            .answered(answer("Connection: X-Private\r\nX-Private: p\r\nX-Stays: 1\r\n"))
            .hop(&["x-private"]),
        Case::get("an offer to upgrade")
            .answered(answer("Upgrade: h2c\r\nX-Stays: 1\r\n"))
            .hop(&["upgrade"]),
        Case::get("for the client of a proxy")
            .answered(answer("Proxy-Authenticate: Basic realm=x\r\nX-Stays: 1\r\n"))
            .hop(&["proxy-authenticate"]),
        Case::get("what decides cannot be stripped").answered(answer(
            "Connection: content-type, content-encoding\r\nContent-Type: a/b\r\nContent-Encoding: gzip\r\n",
        )),
    ];
    check(cases).await;
}

#[tokio::test]
async fn te_trailers_is_kept_for_the_next_hop() {
    let peer = Peer::each(Script::answering(super::setup::OK));
    let daemon = super::setup::proxy_to(&peer.url()).await;
    let mut client = client(daemon.proxy()).await;
    let request = format!(
        "GET / HTTP/1.1\r\nHost: {}\r\nTE: gzip, Trailers\r\nConnection: TE\r\n\r\n",
        daemon.proxy()
    );
    client.send(request).await.unwrap();
    assert_eq!(within("the answer", client.response("GET")).await.status(), 200);
    assert_eq!(peer.requests()[0].head.all("te"), ["trailers"]);
}

#[tokio::test]
async fn via_and_forwarded_come_only_where_the_route_asks_for_them() {
    let peer = Peer::each(Script::answering(
        "HTTP/1.1 200 OK\r\nVia: 1.1 cdn\r\nContent-Length: 0\r\n\r\n",
    ));
    let daemon = configured(
        "",
        &peer.url(),
        "via = true\nforwarded = true\npreserve_host = true",
    )
    .await;
    let host = daemon.proxy();
    let mut client = client(host).await;
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n");
    client.send(request).await.unwrap();
    let response = within("the answer", client.response("GET")).await;
    assert_eq!(response.head.all("via"), ["1.1 cdn", "1.1 murphy"]);
    let head = &peer.requests()[0].head;
    assert_eq!(head.all("via"), ["1.1 murphy"]);
    assert_eq!(head.all("host"), [host.to_string()]);
    assert_eq!(head.all("x-forwarded-for"), ["9.9.9.9", "127.0.0.1"]);
    assert_eq!(head.all("x-forwarded-proto"), ["http"]);
    assert_eq!(head.all("x-forwarded-host"), [host.to_string()]);
}
