//! HTTP/2 clients, with prior knowledge and by ALPN.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use murphy_proxy::listen::{Conn, ListenOptions, Service};
use murphy_testkit::tls::TestCa;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio_rustls::TlsConnector;

use crate::support::{Served, echo, respond, serve};

type Sender = SendRequest<Full<Bytes>>;
type Ended = tokio::task::JoinHandle<hyper::Result<()>>;

async fn start<S>(stream: S) -> (Sender, Ended)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    (sender, tokio::spawn(connection))
}

async fn client(served: &Served) -> (Sender, Ended) {
    start(TcpStream::connect(served.addr).await.unwrap()).await
}

fn get(path: &str) -> Request<Full<Bytes>> {
    let uri = format!("http://localhost{path}");
    Request::builder().uri(uri).body(Full::default()).unwrap()
}

async fn text(sender: &mut Sender, request: Request<Full<Bytes>>) -> String {
    let response = sender.send_request(request).await.unwrap();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn prior_knowledge_and_a_hundred_streams_at_once() {
    let all = Arc::new(Barrier::new(100));
    let served = serve(
        ListenOptions::default(),
        move |request: Request<Incoming>, conn: Arc<Conn>| {
            let all = Arc::clone(&all);
            async move {
                all.wait().await; // no answer before all hundred are there
                assert!(conn.is_http2());
                echo(request, conn).await
            }
        },
    );
    let (sender, _ended) = client(&served).await;
    let calls: Vec<_> = (0..100)
        .map(|n| {
            let mut sender = sender.clone();
            tokio::spawn(async move { text(&mut sender, get(&format!("/{n}"))).await })
        })
        .collect();
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(call.await.unwrap(), format!("GET /{n} "));
    }
}

#[tokio::test]
async fn alpn_chooses_the_version() {
    let ca = TestCa::new();
    let leaf = ca.leaf(&["localhost"]);
    let config = murphy_proxy::listen::server_config(&leaf.cert_pem, &leaf.key_pem).unwrap();
    let options = ListenOptions {
        tls: Some(config),
        ..ListenOptions::default()
    };
    let served = serve(
        options,
        |_request: Request<Incoming>, conn: Arc<Conn>| async move {
            Ok::<_, Infallible>(respond(
                200,
                format!("tls {} h2 {}", conn.is_tls(), conn.is_http2()),
            ))
        },
    );
    let tcp = TcpStream::connect(served.addr).await.unwrap();
    let connector = TlsConnector::from(ca.client(&["h2", "http/1.1"]));
    let name = ServerName::try_from("localhost").unwrap();
    let stream = connector.connect(name, tcp).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, _ended) = start(stream).await;
    assert_eq!(text(&mut sender, get("/")).await, "tls true h2 true");
    for alpn in [&["http/1.1"][..], &[]] {
        let mut client =
            murphy_testkit::raw::RawClient::connect_tls(served.addr, ca.client(alpn), "localhost")
                .await
                .unwrap();
        assert_eq!(client.get("/").await.body.text(), "tls true h2 false");
    }
}

#[tokio::test]
async fn a_drain_says_goaway_and_finishes_streams() {
    let begun = murphy_testkit::peer::Signal::new();
    let go_on = murphy_testkit::peer::Signal::new();
    let service = {
        let (begun, go_on) = (begun.clone(), go_on.clone());
        move |_request: Request<Incoming>, _conn: Arc<Conn>| {
            let (begun, go_on) = (begun.clone(), go_on.clone());
            async move {
                begun.fire();
                go_on.wait().await;
                Ok::<_, Infallible>(respond(200, "done"))
            }
        }
    };
    let served = serve(ListenOptions::default(), service);
    let (mut sender, ended) = client(&served).await;
    let mut other = sender.clone();
    let call = tokio::spawn(async move { text(&mut other, get("/")).await });
    begun.wait().await;
    let draining = tokio::spawn({
        let listening = Arc::clone(&served.listening);
        async move { listening.drain(Duration::from_secs(10)).await }
    });
    while !served
        .listening
        .stage()
        .eq(&murphy_proxy::listen::Stage::Draining)
    {
        tokio::task::yield_now().await;
    }
    go_on.fire();
    assert_eq!(call.await.unwrap(), "done");
    ended.await.unwrap().unwrap();
    assert!(sender.ready().await.is_err(), "no further stream");
    assert_eq!(draining.await.unwrap(), 0);
}

fn resetting() -> impl Service {
    |request: Request<Incoming>, conn: Arc<Conn>| async move {
        match request.uri().path() {
            "/reset" => {
                conn.reset();
                Err::<http::Response<Full<Bytes>>, _>(h2::Error::from(h2::Reason::INTERNAL_ERROR))
            }
            "/stream" => Err(h2::Error::from(h2::Reason::ENHANCE_YOUR_CALM)),
            _ => Ok(respond(200, "fine")),
        }
    }
}

/// The error of this type among the sources.
fn cause<E: std::error::Error + 'static>(error: &dyn std::error::Error) -> Option<&E> {
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(found) = inner.downcast_ref() {
            return Some(found);
        }
        source = inner.source();
    }
    None
}

#[tokio::test]
async fn an_error_resets_its_stream_with_its_code_and_nothing_else() {
    let served = serve(ListenOptions::default(), resetting());
    let (mut sender, _ended) = client(&served).await;
    let error = sender.send_request(get("/stream")).await.unwrap_err();
    let reason = cause::<h2::Error>(&error).and_then(h2::Error::reason);
    assert_eq!(reason, Some(h2::Reason::ENHANCE_YOUR_CALM));
    assert_eq!(text(&mut sender, get("/")).await, "fine");
}

#[tokio::test]
async fn a_reset_ends_the_whole_connection() {
    let served = serve(ListenOptions::default(), resetting());
    let (mut sender, ended) = client(&served).await;
    assert_eq!(text(&mut sender, get("/")).await, "fine");
    assert!(sender.send_request(get("/reset")).await.is_err());
    let error = ended.await.unwrap().unwrap_err();
    let io = cause::<std::io::Error>(&error).map(std::io::Error::kind);
    assert_eq!(io, Some(std::io::ErrorKind::ConnectionReset), "{error:?}");
}
