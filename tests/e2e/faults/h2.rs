//! What an HTTP/2 client sees: streams end by `RST_STREAM` with a code, and the others live on.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Reason, RecvStream};
use http::{Request, Response};
use murphy_core::outcome::{Cause, Outcome};
use murphy_testkit::Sim;
use murphy_testkit::tls::TestCa;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use super::harness::{Bench, DOCUMENT, Setup, Told, fault, rules, sim, tells};

/// A client on one HTTP/2 connection.
pub(super) struct H2 {
    requests: SendRequest<Bytes>,
    /// How the connection ended.
    connection: JoinHandle<Result<(), h2::Error>>,
}

/// What came of a request.
#[derive(Debug)]
pub(super) struct Got {
    pub head: Response<()>,
    pub body: Vec<u8>,
    /// How the body broke off, if it did.
    pub broken: Option<h2::Error>,
}

impl H2 {
    /// In the clear, with prior knowledge.
    pub(super) async fn connect(addr: SocketAddr) -> Self {
        Self::on(TcpStream::connect(addr).await.unwrap()).await
    }

    /// Over TLS.
    pub(super) async fn connect_tls(addr: SocketAddr, config: Arc<ClientConfig>) -> Self {
        let tcp = TcpStream::connect(addr).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let tls = TlsConnector::from(config).connect(name, tcp).await.unwrap();
        assert_eq!(tls.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
        Self::on(tls).await
    }

    async fn on(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        let (requests, connection) = h2::client::handshake(stream).await.unwrap();
        Self {
            requests,
            connection: tokio::spawn(connection),
        }
    }

    /// `GET` below the route `up`.
    pub(super) async fn get(&self, path: &str) -> Result<Got, h2::Error> {
        let request = Request::get(format!("http://localhost/up{path}"))
            .body(())
            .unwrap();
        let mut requests = self.requests.clone().ready().await?;
        let (response, _) = requests.send_request(request, true)?;
        let (head, body) = response.await?.into_parts();
        let (body, broken) = read(body).await;
        Ok(Got {
            head: Response::from_parts(head, ()),
            body,
            broken,
        })
    }

    /// How the connection ended.
    pub(super) async fn ended(self) -> Result<(), h2::Error> {
        drop(self.requests);
        self.connection.await.unwrap()
    }
}

async fn read(mut stream: RecvStream) -> (Vec<u8>, Option<h2::Error>) {
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        match data {
            Ok(data) => {
                stream.flow_control().release_capacity(data.len()).unwrap();
                body.extend_from_slice(&data);
            }
            Err(error) => return (body, Some(error)),
        }
    }
    (body, None)
}

/// A bench whose rules strike by path, in the clear or over TLS, and a client.
async fn bench(sim: &Sim, tls: bool, faults: &[(&str, &str)]) -> (Bench, H2) {
    let list: Vec<String> = faults
        .iter()
        .map(|(path, fault)| {
            format!(
                "name: r{}, when: {{ path: {path} }}, fault: {{ {fault} }}",
                path.replace('/', "-")
            )
        })
        .collect();
    let setup = Setup::sim(sim, &rules(&list));
    if !tls {
        let bench = setup.start().await;
        let client = H2::connect(bench.daemon.proxy()).await;
        return (bench, client);
    }
    let ca = TestCa::new();
    let bench = setup.tls(&ca).start().await;
    let client = H2::connect_tls(bench.daemon.proxy(), ca.client(&["h2"])).await;
    (bench, client)
}

#[tokio::test]
async fn a_stream_is_reset_with_the_chosen_code_and_the_connection_lives_on() {
    let faults = [
        ("/status/200", "abort: { how: { h2_reset: REFUSED_STREAM } }"),
        ("/status/201", "abort: { how: { h2_reset: 8 } }"),
        (
            "/status/202",
            "abort: { at: after_upstream, how: { h2_reset: ENHANCE_YOUR_CALM } }",
        ),
        (
            "/bytes/1000",
            "abort: { at: mid_body, after: 300, how: { h2_reset: CANCEL } }",
        ),
        ("/status/203", "abort: fin"),
    ];
    for tls in [false, true] {
        let sim = sim();
        let (bench, client) = bench(&sim, tls, &faults).await;
        for (path, reason) in [
            ("/status/200", Reason::REFUSED_STREAM),
            ("/status/201", Reason::CANCEL),
            ("/status/202", Reason::ENHANCE_YOUR_CALM),
            ("/status/203", Reason::INTERNAL_ERROR), // a FIN is for the whole connection: a stream has none
        ] {
            let error = client.get(path).await.unwrap_err();
            assert!(
                error.is_reset() && error.is_remote(),
                "{path} (TLS {tls}): {error:?}"
            );
            assert_eq!(error.reason(), Some(reason), "{path}");
        }
        let got = client.get("/bytes/1000").await.unwrap();
        assert_eq!(got.body, murphy_sim::pattern(0, 300));
        assert_eq!(got.broken.and_then(|error| error.reason()), Some(Reason::CANCEL));
        assert_eq!(client.get("/json").await.unwrap().body, DOCUMENT);
        assert_eq!((sim.calls("/status/201"), sim.calls("/status/202")), (0, 1));
        let exchanges = bench.exchanges(6).await;
        for exchange in &exchanges[..5] {
            assert_eq!(
                (exchange.outcome, exchange.cause),
                (Outcome::Dropped, Cause::Murphy)
            );
            assert_eq!(exchange.faults[0].fault, "abort");
        }
        assert_eq!(exchanges[4].bytes_out, 300);
        assert_eq!(exchanges[5].faults, []);
    }
}

#[tokio::test]
async fn a_reset_of_the_connection_ends_all_its_streams_with_a_tcp_reset() {
    for tls in [false, true] {
        let sim = sim();
        let (bench, client) = bench(&sim, tls, &[("/json", "abort: rst")]).await;
        assert_eq!(client.get("/status/200").await.unwrap().head.status(), 200);
        let error = client.get("/json").await.unwrap_err();
        assert!(error.is_io() || error.is_go_away(), "TLS {tls}: {error:?}");
        let ended = client.ended().await.unwrap_err();
        let kind = ended.get_io().map(std::io::Error::kind);
        assert_eq!(
            kind,
            Some(std::io::ErrorKind::ConnectionReset),
            "TLS {tls}: {ended:?}"
        );
        let exchanges = bench.exchanges(2).await;
        assert_eq!(
            (exchanges[1].outcome, exchanges[1].cause),
            (Outcome::Dropped, Cause::Murphy)
        );
    }
}

#[tokio::test]
async fn faults_in_the_body_are_the_same_on_http2() {
    let faults = [
        ("/json", "truncate: { after: inside_json, framing: clean }"),
        ("/bytes/500", "truncate: { after: 50%, framing: abrupt }"),
        ("/bytes/400", "wrong_length: { by: 10 }"),
        ("/bytes/300", "wrong_length: { by: -10 }"),
        ("/cookies", "error: overloaded"),
    ];
    let sim = sim();
    let (bench, client) = bench(&sim, false, &faults).await;
    let cut = client.get("/json").await.unwrap();
    assert!(cut.broken.is_none() && DOCUMENT.starts_with(&cut.body));
    assert!(serde_json::from_slice::<serde_json::Value>(&cut.body).is_err());
    let abrupt = client.get("/bytes/500").await.unwrap();
    assert_eq!(abrupt.body, murphy_sim::pattern(0, 250));
    assert!(abrupt.broken.is_some_and(|error| error.is_reset()));
    let long = client.get("/bytes/400").await.unwrap();
    assert_eq!(long.head.headers()["content-length"], "410");
    assert_eq!(long.body, murphy_sim::pattern(0, 400));
    assert!(long.broken.is_some());
    let short = client.get("/bytes/300").await.unwrap();
    assert_eq!(short.head.headers()["content-length"], "290");
    assert_eq!(short.body, murphy_sim::pattern(0, 290));
    assert!(short.broken.is_none(), "{short:?}");
    assert_eq!(client.get("/cookies").await.unwrap().head.status(), 503);
    let outcomes: Vec<Outcome> = bench
        .exchanges(5)
        .await
        .iter()
        .map(|exchange| exchange.outcome)
        .collect();
    let expected = [
        Outcome::Malformed,
        Outcome::Dropped,
        Outcome::Dropped,
        Outcome::Malformed,
        Outcome::ServerError,
    ];
    assert_eq!(outcomes, expected);
}

#[tokio::test]
async fn one_stream_hangs_and_the_others_do_not_wait_for_it() {
    let sim = sim();
    let scenario = "rules:\n  - { name: r, when: { path: /time }, fault: { hang: { max: 300ms } } }\n";
    let bench = Bench::with(&sim, scenario).await;
    let client = H2::connect(bench.daemon.proxy()).await;
    let hanging = client.get("/time");
    tokio::pin!(hanging);
    tokio::select! {
        biased;
        got = &mut hanging => panic!("it did not hang: {got:?}"),
        () = bench.in_flight(1.0) => {}
    }
    assert_eq!(client.get("/json").await.unwrap().body, DOCUMENT);
    assert!(hanging.await.unwrap_err().is_reset());
    let exchanges = bench.exchanges(2).await;
    assert_eq!(exchanges[0].path, "/json");
    let told = Told {
        fault: "hang",
        outcome: Outcome::Dropped,
        cause: Cause::Murphy,
        status: None,
        effect: "then gave up",
    };
    tells(&exchanges[1], &told);
}

#[tokio::test]
async fn a_stream_that_the_client_resets_ends_a_hang_and_counts_it() {
    let sim = sim();
    let bench = Bench::with(&sim, &fault("hang: {}")).await;
    let client = H2::connect(bench.daemon.proxy()).await;
    tokio::select! {
        biased;
        got = client.get("/json") => panic!("it did not hang: {got:?}"),
        () = bench.in_flight(1.0) => {} // the request is dropped, and with it its stream
    }
    let exchange = bench.only().await;
    let told = Told {
        fault: "hang",
        outcome: Outcome::Timeout,
        cause: Cause::Murphy,
        status: None,
        effect: "until the agent left",
    };
    tells(&exchange, &told);
    assert_eq!(bench.injected(&["rule=\"r\""]).await, 1.0);
}
