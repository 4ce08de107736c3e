//! Who may ask (T3), and that nobody reaches Murphy itself through Murphy.

use std::net::{Ipv4Addr, TcpListener};

use murphy_testkit::daemon::DaemonBuilder;
use murphy_testkit::peer::{Peer, Script};
use serde_json::json;

use super::setup::{OK, client, configured, proxy_to, route, start, within};

/// `@` stands for the listener's port.
const FINE: [(&str, &str); 10] = [
    ("127.0.0.1:@", ""),
    ("localhost:@", ""),
    ("LocalHost:@", ""),
    ("[::1]:@", ""),
    ("localhost:@", "http://localhost:@"),
    ("localhost:@", "http://127.0.0.1:@"),
    ("localhost:@", "https://localhost:@"),
    ("dev.test", "http://dev.test"),
    ("dev.test:@", "https://DEV.test:1"),
    ("other.test:9", ""),
];

const REFUSED: [(&str, &str); 31] = [
    ("evil.example", ""),
    ("evil.example:@", ""),
    ("localhost", ""),
    ("127.0.0.1", ""),
    ("localhost:1", ""),
    ("localhost.:@", ""),
    ("localhost.evil.example:@", ""),
    ("evil.localhost:@", ""),
    ("127.0.0.1.nip.io:@", ""),
    ("0.0.0.0:@", ""),
    ("127.0.0.2:@", ""),
    ("127.1:@", ""),
    ("2130706433:@", ""),
    ("0x7f000001:@", ""),
    ("[::]:@", ""),
    ("[::ffff:127.0.0.1]:@", ""),
    ("169.254.169.254", ""),
    ("", ""),
    (":@", ""),
    ("dev.test.evil.example", ""),
    ("xdev.test", ""),
    ("other.test:@", ""),
    ("localhost:@", "null"),
    ("localhost:@", "http://evil.example"),
    ("localhost:@", "http://localhost:1"),
    ("localhost:@", "http://localhost"),
    ("localhost:@", "http://localhost:@/"),
    ("localhost:@", "http://localhost:@.evil.example"),
    ("localhost:@", "http://u@localhost:@"),
    ("localhost:@", "file://"),
    ("localhost:@", "http://localhost:@, http://evil.example"),
];

#[tokio::test]
async fn only_own_names_and_own_origins_are_served() {
    let peer = Peer::each(Script::answering(OK));
    let allowed = "[proxy]\nallowed_hosts = [\"dev.test\", \"other.test:9\"]";
    let daemon = configured(allowed, &peer.url(), "").await;
    let port = daemon.proxy().port().to_string();
    let ask = async |host: &str, origin: &str, target: &str| {
        let origin = if origin.is_empty() {
            String::new()
        } else {
            format!("Origin: {origin}\r\n")
        };
        let request = format!("POST {target} HTTP/1.1\r\nHost: {host}\r\n{origin}Content-Length: 0\r\n\r\n");
        let mut client = client(daemon.proxy()).await;
        client.send(request.replace('@', &port)).await.unwrap();
        within(host, client.response("POST")).await
    };
    for (host, origin) in REFUSED {
        let response = ask(host, origin, "/").await;
        assert_eq!(response.status(), 403, "host {host:?}, origin {origin:?}");
        assert_eq!(
            response.head.header("content-type"),
            Some("application/problem+json")
        );
        assert!(
            !response.body.text().contains("evil"),
            "what a stranger sent is not repeated to the browser"
        );
    }
    // The authority of the target counts, whatever the field says.
    for target in ["http://evil.example/", "http://localhost/", "http://localhost:1/"] {
        assert_eq!(ask("localhost:@", "", target).await.status(), 403, "{target}");
    }
    assert!(
        peer.seen().is_empty(),
        "no connection to the upstream for any of them"
    );
    for (host, origin) in FINE {
        assert_eq!(
            ask(host, origin, "/").await.status(),
            200,
            "host {host:?}, origin {origin:?}"
        );
    }
}

#[tokio::test]
async fn two_origins_of_which_one_is_foreign() {
    let peer = Peer::each(Script::answering(OK));
    let daemon = proxy_to(&peer.url()).await;
    let host = daemon.proxy();
    let mut client = client(host).await;
    let request = format!(
        "GET / HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nOrigin: http://evil.example\r\n\r\n"
    );
    client.send(request).await.unwrap();
    assert_eq!(within("the refusal", client.response("GET")).await.status(), 403);
    assert!(peer.seen().is_empty());
}

/// `config/murphy.toml` says so: "*" allows every name.
#[tokio::test]
async fn a_star_allows_every_name() {
    let peer = Peer::each(Script::answering(OK));
    let daemon = configured("[proxy]\nallowed_hosts = [\"*\"]", &peer.url(), "").await;
    for host in ["anything.example", "10.0.0.1:8080"] {
        let mut client = client(daemon.proxy()).await;
        client
            .send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"))
            .await
            .unwrap();
        assert_eq!(
            within("the answer", client.response("GET")).await.status(),
            200,
            "{host}"
        );
    }
}

/// All the ways to say "this machine" in a URL.
const OURSELVES: [&str; 12] = [
    "127.0.0.1",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "0.0.0.0",
    "127.0.0.2",
    "127.1",
    "2130706433",
    "0x7f.1",
    "0177.0.0.1",
    "[::ffff:127.0.0.1]",
    "0",
];

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// Refused at load, or, if only the connection shows it, when it is used.
#[tokio::test]
async fn no_route_leads_to_murphy_itself() {
    let mut reached = Vec::new();
    for host in OURSELVES {
        for variable in ["MURPHY__CONTROL__LISTEN", "MURPHY__PROXY__LISTEN"] {
            let port = free_port();
            let builder = DaemonBuilder::new()
                .config(&route("self", "/", &format!("http://{host}:{port}"), ""))
                .env("MURPHY__PROXY__MAX_CONNECTIONS", "50")
                .env(variable, &format!("127.0.0.1:{port}"));
            let daemon = match within("the start or its refusal", builder.try_start()).await {
                Ok(daemon) => daemon,
                Err(refused) => {
                    assert!(refused.stderr.contains("Murphy's own"), "{}", refused.stderr);
                    continue;
                }
            };
            let mut client = client(daemon.proxy()).await;
            let get = format!("GET /api/v1/status HTTP/1.1\r\nHost: {}\r\n\r\n", daemon.proxy());
            client.send(get).await.unwrap();
            let response = within("an answer", client.response("GET")).await;
            if response.status() != 502 || !response.body.text().contains("Murphy's own") {
                reached.push(format!("{variable} by {host}: {}", response.head.line));
            }
        }
    }
    assert!(
        reached.is_empty(),
        "Murphy reached itself:\n{}",
        reached.join("\n")
    );
}

/// The port is the kernel's choice, so the first load cannot know it; a reload can.
#[tokio::test]
async fn no_reload_leads_to_murphy_itself() {
    let peer = Peer::each(Script::answering(OK));
    let daemon = proxy_to(&peer.url()).await;
    let file = daemon.folder().join("murphy.toml");
    let mut reached = Vec::new();
    for (what, own) in [("control", daemon.control()), ("proxy", daemon.proxy())] {
        std::fs::write(&file, route("self", "/", &format!("http://{own}"), "")).unwrap();
        daemon.control_post("/api/v1/reload", json!({})).await;
        let mut client = client(daemon.proxy()).await;
        let get = format!("GET /api/v1/status HTTP/1.1\r\nHost: {}\r\n\r\n", daemon.proxy());
        client.send(get).await.unwrap();
        let response = within("an answer", client.response("GET")).await;
        // Either the reload was refused and the peer answers, or the call fails.
        let refused = response.status() == 502 && response.body.text().contains("Murphy's own");
        if response.body.text() != "ok" && !refused {
            reached.push(format!("{what}: {}", response.head.line));
        }
    }
    assert!(
        reached.is_empty(),
        "Murphy reached itself:\n{}",
        reached.join("\n")
    );
}

#[tokio::test]
async fn an_unknown_path_is_a_problem_that_lists_the_routes() {
    let peer = Peer::each(Script::answering(OK));
    let routes = [
        route("one", "/one", &peer.url(), ""),
        route("two", "/two/deep", &peer.url(), "host = \"dev.test\""),
    ];
    let daemon = start(DaemonBuilder::new().config(&routes.concat())).await;
    for path in ["/", "/on", "/one%2F", "/onemore", "/two/deep", "//one", "/ONE"] {
        let mut client = client(daemon.proxy()).await;
        client
            .send(format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", daemon.proxy()))
            .await
            .unwrap();
        let response = within(path, client.response("GET")).await;
        assert_eq!(response.status(), 404, "{path}");
        let problem = response.body.json();
        assert_eq!(problem["routes"].as_array().unwrap().len(), 2, "{problem}");
        assert!(problem.to_string().contains("one") && problem.to_string().contains("/two/deep"));
    }
    assert!(peer.seen().is_empty());
}
