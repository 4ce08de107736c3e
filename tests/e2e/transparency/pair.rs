//! The same request twice, directly and through Murphy, and what arrived at both ends, compared byte for byte.
//!
//! What a hop may change, and nothing else: fields that belong to one connection (RFC 9110 §7.6.1), the case names
//! them; field lines of one name may move together (RFC 9110 §5.3); white space around a value; how a chunked body
//! is cut into chunks, and the case of its trailers' names.

use std::net::SocketAddr;

use murphy_testkit::daemon::{Daemon, DaemonBuilder};
use murphy_testkit::message::{Body, Head};
use murphy_testkit::peer::{Peer, Script, SeenRequest};
use murphy_testkit::raw::{Framing, RawResponse};

use super::setup::{OK, client, route, start, within};

/// A request, the upstream's answer to it, and what a hop keeps for itself.
#[derive(Debug, Clone)]
pub(super) struct Case {
    name: String,
    method: String,
    target: Vec<u8>,
    fields: Vec<u8>,
    body: Vec<u8>,
    answer: Vec<u8>,
    closes: bool,
    hop: Vec<&'static str>,
    reframed: Option<Framing>,
    status_line: Option<&'static str>,
}

impl Case {
    /// A request without fields and body that gets a short answer.
    pub(super) fn new(name: impl Into<String>, method: &str, target: impl AsRef<[u8]>) -> Self {
        Self {
            name: name.into(),
            method: method.to_owned(),
            target: target.as_ref().to_vec(),
            fields: Vec::new(),
            body: Vec::new(),
            answer: if method == "HEAD" {
                OK.trim_end_matches("ok")
            } else {
                OK
            }
            .into(),
            closes: false,
            hop: Vec::new(),
            reframed: None,
            status_line: None,
        }
    }

    pub(super) fn get(name: impl Into<String>) -> Self {
        Self::new(name, "GET", "/p")
    }

    /// With field lines, each ended by CRLF.
    pub(super) fn fields(mut self, lines: impl AsRef<[u8]>) -> Self {
        self.fields.extend_from_slice(lines.as_ref());
        self
    }

    /// With these bytes behind the head.
    pub(super) fn body(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.body = bytes.as_ref().to_vec();
        self
    }

    /// With a content-length and this content.
    pub(super) fn sized(self, content: impl AsRef<[u8]>) -> Self {
        let length = content.as_ref().len();
        self.fields(format!("Content-Length: {length}\r\n")).body(content)
    }

    /// The upstream answers with these bytes.
    pub(super) fn answered(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.answer = bytes.as_ref().to_vec();
        self
    }

    /// The upstream closes after its answer.
    pub(super) fn closing(mut self) -> Self {
        self.closes = true;
        self
    }

    /// These fields, of request and answer, are for one hop.
    pub(super) fn hop(mut self, names: &[&'static str]) -> Self {
        self.hop.extend(names);
        self
    }

    /// The agent gets the body in another framing.
    pub(super) fn reframed(mut self, framing: Framing) -> Self {
        self.reframed = Some(framing);
        self
    }

    /// The agent gets another status line.
    pub(super) fn status_line(mut self, line: &'static str) -> Self {
        self.status_line = Some(line);
        self
    }

    fn bytes(&self, prefix: &str, host: SocketAddr) -> Vec<u8> {
        let mut bytes = format!("{} {prefix}", self.method).into_bytes();
        bytes.extend_from_slice(&self.target);
        bytes.extend_from_slice(format!(" HTTP/1.1\r\nHost: {host}\r\n").as_bytes());
        bytes.extend_from_slice(&self.fields);
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }

    fn script(&self) -> Script {
        if self.closes {
            Script::new().read_request().send(&self.answer)
        } else {
            Script::answering(&self.answer)
        }
    }

    async fn send(&self, addr: SocketAddr, prefix: &str) -> RawResponse {
        let mut client = client(addr).await;
        let exchange = async {
            client
                .send(self.bytes(prefix, addr))
                .await
                .expect("the request is taken");
            client.read_response(&self.method).await
        };
        match within(&format!("{} at {addr}", self.name), exchange).await {
            Ok(response) => response,
            Err((end, bytes)) => {
                panic!(
                    "{}: {end:?} after {:?}",
                    self.name,
                    String::from_utf8_lossy(&bytes)
                )
            }
        }
    }
}

/// Checks all cases against one daemon, with a route and an upstream for each.
pub(super) async fn check(cases: Vec<Case>) {
    let peers: Vec<Peer> = cases.iter().map(|case| Peer::each(case.script())).collect();
    let daemon = start(DaemonBuilder::new().config(&routes(&peers))).await;
    let mut wrong = Vec::new();
    for (nth, (case, peer)) in cases.iter().zip(&peers).enumerate() {
        wrong.extend(differences(case, peer, &daemon, &prefix(nth)).await);
    }
    assert!(
        wrong.is_empty(),
        "{} differences:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

fn prefix(nth: usize) -> String {
    format!("/route-{nth}")
}

fn routes(peers: &[Peer]) -> String {
    let each = peers.iter().enumerate();
    each.map(|(nth, peer)| route(&format!("r{nth}"), &prefix(nth), &peer.url(), ""))
        .collect()
}

async fn differences(case: &Case, peer: &Peer, daemon: &Daemon, prefix: &str) -> Vec<String> {
    let direct = case.send(peer.addr(), "").await;
    let arrived_direct = peer.requests();
    let proxied = case.send(daemon.proxy(), prefix).await;
    let arrived: Vec<SeenRequest> = peer.requests().split_off(arrived_direct.len());
    let mut wrong = Wrong {
        case,
        found: Vec::new(),
    };
    if let [arrived] = arrived.as_slice() {
        wrong.request(&arrived_direct[0], arrived);
    } else {
        wrong.unless_equal("requests upstream", &1, &arrived.len());
    }
    wrong.response(&direct, &proxied);
    wrong.found
}

/// Collects differences.
struct Wrong<'a> {
    case: &'a Case,
    found: Vec<String>,
}

impl Wrong<'_> {
    fn unless_equal<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, direct: &T, proxied: &T) {
        if direct != proxied {
            let name = &self.case.name;
            self.found.push(format!(
                "{name}: {what}\n   direct  {}\n   proxied {}",
                short(direct),
                short(proxied)
            ));
        }
    }

    fn request(&mut self, direct: &SeenRequest, proxied: &SeenRequest) {
        self.unless_equal("request line", &direct.head.line, &proxied.head.line);
        let (kept, arrived) = self.fields(&direct.head, &proxied.head);
        self.unless_equal("request fields", &kept, &arrived);
        let (direct, proxied) = (direct.body.as_ref().unwrap(), proxied.body.as_ref().unwrap());
        self.unless_equal("request framing", &direct.framing, &proxied.framing);
        self.bodies("request", direct, proxied);
    }

    fn response(&mut self, direct: &RawResponse, proxied: &RawResponse) {
        let line = self
            .case
            .status_line
            .map_or_else(|| direct.head.line.clone(), str::to_owned);
        self.unless_equal("status line", &line, &proxied.head.line);
        let (kept, arrived) = self.fields(&direct.head, &proxied.head);
        self.unless_equal("response fields", &kept, &arrived);
        let framing = self.case.reframed.unwrap_or(direct.body.framing);
        self.unless_equal("response framing", &framing, &proxied.body.framing);
        self.bodies("response", &direct.body, &proxied.body);
    }

    fn bodies(&mut self, which: &str, direct: &Body, proxied: &Body) {
        self.unless_equal(&format!("{which} content"), &direct.content, &proxied.content);
        self.unless_equal(
            &format!("{which} trailers"),
            &lower_case(direct),
            &lower_case(proxied),
        );
        self.unless_equal(&format!("{which} end"), &direct.end, &proxied.end);
    }

    /// The fields that are expected behind the hop, and those that are there.
    fn fields(&self, direct: &Head, proxied: &Head) -> (Fields, Fields) {
        let framing = |name: &str| name.eq_ignore_ascii_case("transfer-encoding");
        let connection = |name: &str| name.eq_ignore_ascii_case("connection");
        let hop = |name: &str| self.case.hop.iter().any(|hop| name.eq_ignore_ascii_case(hop));
        (
            together(direct, |name| !framing(name) && !connection(name) && !hop(name)),
            together(proxied, |name| !framing(name) && !connection(name)),
        )
    }
}

type Fields = Vec<(String, String)>;

/// Fields in order, but those of one name behind the first of them.
fn together(head: &Head, wanted: impl Fn(&str) -> bool) -> Fields {
    let mut order: Vec<String> = Vec::new();
    for (name, _) in &head.headers {
        let name = name.to_ascii_lowercase();
        if !order.contains(&name) {
            order.push(name);
        }
    }
    let mut fields: Fields = head
        .headers
        .iter()
        .filter(|(name, _)| wanted(name))
        .cloned()
        .collect();
    fields.sort_by_key(|(name, _)| order.iter().position(|other| name.eq_ignore_ascii_case(other)));
    fields
}

/// Trailers; names are the same whatever their case, and hyper writes them in lower case.
fn lower_case(body: &Body) -> Fields {
    let trailers = body.trailers.iter();
    trailers
        .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
        .collect()
}

fn short(value: &impl std::fmt::Debug) -> String {
    let text = format!("{value:?}");
    if text.len() <= 400 {
        return text;
    }
    format!(
        "{}… ({} characters)",
        text.chars().take(400).collect::<String>(),
        text.len()
    )
}
