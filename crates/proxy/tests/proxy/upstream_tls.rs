//! TLS to upstreams: whom we trust, which version is chosen.

use std::time::Duration;

use http::StatusCode;
use http::uri::Scheme;
use murphy_core::route::{Protocol, Route};
use murphy_proxy::upstream::UpstreamErrorKind;
use murphy_testkit::peer::{Peer, Script};
use murphy_testkit::recorder::{Recorder, text as answer};
use murphy_testkit::tls::TestCa;
use tokio::time::Instant;

use crate::support::{request, route_to, text, upstreams};

fn https(addr: std::net::SocketAddr, ca: Option<&TestCa>) -> Route {
    let mut route = route_to(Scheme::HTTPS, &addr.to_string(), Protocol::Auto);
    route.upstream.extra_roots = ca.map(|ca| ca.pem().into());
    route
}

async fn version(recorder: &Recorder, route: &Route) -> Result<String, UpstreamErrorKind> {
    let _ = recorder;
    match upstreams().send(route, request("GET", "/", "")).await {
        Ok(sent) => Ok(text(sent.response.into_body()).await),
        Err(error) => {
            assert_eq!(error.status(), StatusCode::BAD_GATEWAY);
            Err(error.kind())
        }
    }
}

fn recorder(ca: &TestCa, alpn: &[&str]) -> Recorder {
    Recorder::start_tls(ca.server(alpn), |request| {
        answer(200, &format!("{:?}", request.version))
    })
}

#[tokio::test]
async fn only_a_certificate_from_a_trusted_root_for_the_name_is_taken() {
    let (ca, other) = (TestCa::new(), TestCa::new());
    let recorder = recorder(&ca, &[]);
    let check = async |route: Route| version(&recorder, &route).await;
    assert_eq!(
        check(https(recorder.addr(), Some(&ca))).await.as_deref(),
        Ok("HTTP/1.1")
    );
    assert_eq!(
        check(https(recorder.addr(), None)).await,
        Err(UpstreamErrorKind::Tls)
    );
    assert_eq!(
        check(https(recorder.addr(), Some(&other))).await,
        Err(UpstreamErrorKind::Tls)
    );
    let mut insecure = https(recorder.addr(), None);
    insecure.upstream.insecure = true;
    assert_eq!(check(insecure).await.as_deref(), Ok("HTTP/1.1"));
    let mut garbage = https(recorder.addr(), None);
    garbage.upstream.extra_roots = Some("no certificate".into());
    assert_eq!(check(garbage).await, Err(UpstreamErrorKind::Tls));
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let ca = TestCa::new();
    let server = ca.leaf(&["elsewhere.example"]).server(&[]);
    let recorder = Recorder::start_tls(server, |_| answer(200, ""));
    let route = https(recorder.addr(), Some(&ca));
    assert_eq!(version(&recorder, &route).await, Err(UpstreamErrorKind::Tls));
    let error = upstreams()
        .send(&route, request("GET", "/", ""))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[tokio::test]
async fn alpn_chooses_within_what_the_route_permits() {
    let ca = TestCa::new();
    for (alpn, protocol, expected) in [
        (&["h2", "http/1.1"][..], Protocol::Auto, "HTTP/2.0"),
        (&["http/1.1"], Protocol::Auto, "HTTP/1.1"),
        (&["h2", "http/1.1"], Protocol::Http1, "HTTP/1.1"),
        (&["h2", "http/1.1"], Protocol::Http2, "HTTP/2.0"),
    ] {
        let recorder = recorder(&ca, alpn);
        let mut route = https(recorder.addr(), Some(&ca));
        route.upstream.protocol = protocol;
        assert_eq!(
            version(&recorder, &route).await.as_deref(),
            Ok(expected),
            "{alpn:?} {protocol:?}"
        );
    }
}

#[tokio::test]
async fn calls_that_start_together_share_an_http2_connection() {
    let ca = TestCa::new();
    let recorder = recorder(&ca, &["h2"]);
    let (upstreams, route) = (upstreams(), https(recorder.addr(), Some(&ca)));
    let call = || async {
        let sent = upstreams.send(&route, request("GET", "/", "")).await.unwrap();
        text(sent.response.into_body()).await
    };
    tokio::join!(call(), call(), call(), call());
    assert_eq!(upstreams.stats().opened, 1);
}

#[tokio::test]
async fn what_does_not_speak_tls_fails_and_what_stalls_is_late() {
    let ca = TestCa::new();
    let clear = Recorder::start(|_| answer(200, ""));
    let route = https(clear.addr(), Some(&ca));
    assert_eq!(version(&clear, &route).await, Err(UpstreamErrorKind::Tls));
    let silent = Peer::each(Script::new().hold());
    let mut route = https(silent.addr(), Some(&ca));
    route.timeouts.connect = Duration::from_millis(50);
    let begun = Instant::now();
    let error = upstreams()
        .send(&route, request("GET", "/", ""))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), UpstreamErrorKind::ConnectTimeout);
    assert_eq!(error.status(), StatusCode::GATEWAY_TIMEOUT);
    assert!(begun.elapsed() < Duration::from_secs(2));
}
