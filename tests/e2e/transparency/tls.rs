//! TLS on either side: ALPN, and what an upstream's certificate decides.

use std::net::SocketAddr;
use std::sync::Arc;

use http::{Request, Version};
use murphy_testkit::daemon::{Daemon, DaemonBuilder};
use murphy_testkit::peer::{Peer, Script};
use murphy_testkit::raw::RawClient;
use murphy_testkit::recorder::{Recorder, text};
use murphy_testkit::tls::TestCa;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::http2::{full, over, send};
use super::setup::{OK, client, route, start, within};

/// A daemon that speaks TLS with a certificate of this authority.
pub(super) async fn tls_daemon(ca: &TestCa, before: &str, upstream: &str) -> Daemon {
    let leaf = ca.leaf(&["localhost", "127.0.0.1"]);
    let builder = DaemonBuilder::new()
        .file("cert.pem", &leaf.cert_pem)
        .file("key.pem", &leaf.key_pem);
    let at = |file: &str| builder.folder().join(file).display().to_string();
    let tls = format!(
        "[proxy.tls]\ncert = \"{}\"\nkey = \"{}\"\n",
        at("cert.pem"),
        at("key.pem")
    );
    let config = format!("{before}\n{tls}\n{}", route("all", "/", upstream, ""));
    start(builder.config(&config)).await
}

async fn handshake(addr: SocketAddr, config: Arc<ClientConfig>) -> RawClient {
    within("the handshake", RawClient::connect_tls(addr, config, "localhost"))
        .await
        .unwrap()
}

#[tokio::test]
async fn alpn_decides_what_a_client_speaks() {
    let ca = TestCa::new();
    let recorder = Recorder::start(|_| text(200, "ok"));
    let daemon = tls_daemon(&ca, "", &recorder.url()).await;
    for (offered, chosen) in [
        (vec!["h2"], Some("h2")),
        (vec!["http/1.1"], Some("http/1.1")),
        (vec!["http/1.1", "h2"], Some("h2")),
        (vec!["h2", "http/1.1"], Some("h2")),
        (vec![], None),
    ] {
        let before = recorder.requests().len();
        let agreed = handshake(daemon.proxy(), ca.client(&offered)).await.alpn();
        assert_eq!(agreed.as_deref(), chosen.map(str::as_bytes), "{offered:?}");
        let status = if chosen == Some("h2") {
            let tcp = TcpStream::connect(daemon.proxy()).await.unwrap();
            let name = ServerName::try_from("localhost").unwrap();
            let tls = TlsConnector::from(ca.client(&offered))
                .connect(name, tcp)
                .await
                .unwrap();
            let uri = format!("https://localhost:{}/t", daemon.proxy().port());
            send(&over(tls).await, Request::get(uri).body(full("")).unwrap())
                .await
                .0
                .status()
                .as_u16()
        } else {
            let mut client = handshake(daemon.proxy(), ca.client(&offered)).await;
            let get = format!(
                "GET /t HTTP/1.1\r\nHost: localhost:{}\r\n\r\n",
                daemon.proxy().port()
            );
            client.send(get).await.unwrap();
            within("the answer", client.response("GET")).await.status()
        };
        assert_eq!(status, 200, "{offered:?}");
        assert_eq!(recorder.requests().len(), before + 1);
    }
}

#[tokio::test]
async fn a_client_that_speaks_in_the_clear_or_offers_nothing_known_is_let_go() {
    let ca = TestCa::new();
    let recorder = Recorder::start(|_| text(200, "ok"));
    let daemon = tls_daemon(&ca, "", &recorder.url()).await;
    let mut clear = client(daemon.proxy()).await;
    clear
        .send(format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", daemon.proxy()))
        .await
        .unwrap();
    within("the end of a connection in the clear", clear.read_to_end()).await;
    let unknown = RawClient::connect_tls(daemon.proxy(), ca.client(&["spdy/3"]), "localhost");
    assert!(within("the refusal", unknown).await.is_err());
    assert!(recorder.requests().is_empty());
}

#[tokio::test]
async fn what_upstreams_speak_over_tls() {
    for (offered, in_route, version) in [
        (vec!["h2", "http/1.1"], "", Version::HTTP_2),
        (vec!["http/1.1"], "", Version::HTTP_11),
        (vec![], "", Version::HTTP_11),
        (vec!["h2", "http/1.1"], "protocol = \"http1\"", Version::HTTP_11),
        (vec!["h2", "http/1.1"], "protocol = \"http2\"", Version::HTTP_2),
    ] {
        let ca = TestCa::new();
        let recorder = Recorder::start_tls(ca.server(&offered), |_| text(200, "secret"));
        let builder = DaemonBuilder::new().file("ca.pem", ca.pem());
        let trusted = format!(
            "{in_route}\nca_file = \"{}\"",
            builder.folder().join("ca.pem").display()
        );
        let daemon = start(builder.config(&route("all", "/", &recorder.url(), &trusted))).await;
        let mut client = client(daemon.proxy()).await;
        for _ in 0..3 {
            client
                .send(format!("GET /t HTTP/1.1\r\nHost: {}\r\n\r\n", daemon.proxy()))
                .await
                .unwrap();
            let response = within("the answer", client.response("GET")).await;
            assert_eq!(
                (response.status(), response.body.text()),
                (200, "secret"),
                "{offered:?} {in_route}"
            );
        }
        let requests = recorder.requests();
        assert!(
            requests.iter().all(|one| one.version == version),
            "{offered:?} {in_route}"
        );
        assert!(
            requests
                .iter()
                .all(|one| one.connection == requests[0].connection),
            "one connection is enough"
        );
    }
}

#[tokio::test]
async fn certificates_of_strangers_and_for_other_names_are_refused() {
    let (ca, stranger) = (TestCa::new(), TestCa::new());
    let elsewhere = ca.leaf(&["elsewhere.example"]).server(&["http/1.1"]);
    for (server, trusts, insecure, status) in [
        (ca.server(&["http/1.1"]), Some(&ca), false, 200),
        (ca.server(&["http/1.1"]), None, false, 502),
        (ca.server(&["http/1.1"]), Some(&stranger), false, 502),
        (elsewhere.clone(), Some(&ca), false, 502),
        (elsewhere, None, true, 200),
    ] {
        let scripts = murphy_testkit::peer::Scripts::Each(Script::answering(OK));
        let peer = Peer::tls(server, scripts);
        let mut builder = DaemonBuilder::new();
        let mut in_route = format!("insecure = {insecure}\n");
        if let Some(trusted) = trusts {
            builder = builder.file("ca.pem", trusted.pem());
            in_route += &format!("ca_file = \"{}\"\n", builder.folder().join("ca.pem").display());
        }
        let url = format!("https://{}", peer.addr());
        let daemon = start(builder.config(&route("all", "/", &url, &in_route))).await;
        let mut client = client(daemon.proxy()).await;
        client
            .send(format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", daemon.proxy()))
            .await
            .unwrap();
        let response = within("the answer", client.response("GET")).await;
        assert_eq!(response.status(), status, "{}", response.body.text());
        if status == 502 {
            super::upstream_failures::assert_problem(&response, 502);
            assert!(peer.requests().is_empty(), "nothing may be said to a stranger");
        }
    }
}
