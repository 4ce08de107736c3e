//! What one hop keeps for itself: hop-by-hop fields (RFC 9110 §7.6.1), and what is written anew for the next.
//!
//! `HeaderMap::remove` moves the last field into the gap. To keep the order of what is passed on, a map that
//! must lose fields is rebuilt; one that loses nothing is left alone.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::{PathAndQuery, Uri};
use murphy_core::agent::AGENT_HEADER;
use murphy_core::route::{Route, Upstream};

/// Fields that belong to one connection whether or not `Connection` names them.
const HOP_BY_HOP: [&str; 7] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "transfer-encoding",
    "upgrade",
];

/// Fields that `Connection` may name without effect: a client could otherwise strip what the upstream decides
/// by (as in CVE-2021-33197).
const END_TO_END: [&str; 10] = [
    "authorization",
    "cache-control",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "mcp-session-id",
    "x-api-key",
    "api-key",
];

/// Removes from a request what is not for the next hop. Keeps `te: trailers`; gives back the value of
/// `upgrade` if the request asks for one.
pub fn strip_request(headers: &mut HeaderMap) -> Option<HeaderValue> {
    if !headers
        .keys()
        .any(|name| is_for_one_hop(name) || name.as_str() == AGENT_HEADER)
    {
        return None;
    }
    let upgrade = wanted_upgrade(headers);
    if has_token(headers, &header::TE, "trailers") {
        headers.insert(header::TE, HeaderValue::from_static("trailers")); // in its place
    } else {
        remove(headers, &header::TE);
    }
    strip(headers, true);
    upgrade
}

/// Writes several `cookie` fields, which HTTP/2 allows, as the one field that HTTP/1.1 has (RFC 9113 §8.2.3).
pub fn join_cookies(headers: &mut HeaderMap) {
    let cookies: Vec<&[u8]> = headers
        .get_all(header::COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if cookies.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&cookies.join(&b"; "[..]))
    {
        headers.insert(header::COOKIE, joined);
    }
}

/// Keeps the fields that `keep` wants, in their order. A map that loses nothing is left alone.
pub fn retain(headers: &mut HeaderMap, keep: impl Fn(&HeaderName) -> bool) {
    if headers.keys().all(&keep) {
        return;
    }
    let mut kept = HeaderMap::with_capacity(headers.len());
    let mut latest = None;
    for (name, value) in std::mem::take(headers) {
        // Of several values under one name only the first brings the name.
        latest = name.or(latest);
        if let Some(name) = latest.as_ref().filter(|name| keep(name)) {
            kept.append(name.clone(), value);
        }
    }
    *headers = kept;
}

/// Removes a field and keeps the order of the others.
pub fn remove(headers: &mut HeaderMap, name: &HeaderName) {
    retain(headers, |other| other != name);
}

/// Removes from a response what is not for the next hop.
pub fn strip_response(headers: &mut HeaderMap) {
    if headers.keys().any(is_for_one_hop) {
        remove(headers, &header::TE);
        strip(headers, false);
    }
}

/// Whether a field may be for one hop only, or says which others are.
fn is_for_one_hop(name: &HeaderName) -> bool {
    *name == header::TE || HOP_BY_HOP.contains(&name.as_str())
}

fn strip(headers: &mut HeaderMap, request: bool) {
    let named = named_by_connection(headers);
    retain(headers, |name| {
        !(HOP_BY_HOP.contains(&name.as_str())
            || (request && name.as_str() == AGENT_HEADER)
            || named.contains(name))
    });
}

fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    tokens(headers, &header::CONNECTION)
        .filter_map(|token| HeaderName::from_bytes(token.as_bytes()).ok())
        .filter(|name| {
            *name != header::TE
                && !END_TO_END.contains(&name.as_str())
                && !name.as_str().starts_with("x-forwarded-")
        })
        .collect()
}

/// The protocol that a request wants to switch to: `Upgrade` counts only if `Connection` names it.
fn wanted_upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    has_token(headers, &header::CONNECTION, "upgrade")
        .then(|| headers.get(header::UPGRADE).cloned())
        .flatten()
}

fn has_token(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    tokens(headers, name).any(|token| token.eq_ignore_ascii_case(wanted))
}

/// The comma-separated tokens of all fields with a name, without parameters.
fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|token| token.split(';').next().unwrap_or_default().trim())
        .filter(|token| !token.is_empty())
}

/// The target at the upstream: base path, then what is left of the request's path, then the query; every
/// percent-encoding as it came. `None` if the parts do not make one.
#[must_use]
pub fn upstream_uri(upstream: &Upstream, rest: &str, query: Option<&str>) -> Option<Uri> {
    let mut target =
        String::with_capacity(upstream.base_path.len() + rest.len() + query.map_or(0, str::len) + 1);
    target.push_str(&upstream.base_path);
    if rest != "/" || upstream.base_path.is_empty() {
        target.push_str(rest);
    }
    if let Some(query) = query {
        target.push('?');
        target.push_str(query);
    }
    PathAndQuery::try_from(target).ok().map(Uri::from)
}

/// Who asked, for the fields that tell the upstream about the hop.
#[derive(Debug, Clone, Copy)]
pub struct Hop<'a> {
    /// The client's address.
    pub peer: std::net::IpAddr,
    /// Whether the client speaks TLS.
    pub tls: bool,
    /// The host that the client asked.
    pub host: Option<&'a str>,
}

/// Writes `Host` for the upstream and, where the route asks for them, `Via` and `X-Forwarded-*`.
pub fn address(headers: &mut HeaderMap, route: &Route, hop: Hop<'_>) {
    let host = match hop.host {
        Some(host) if route.preserve_host => host,
        _ => route.upstream.authority.as_str(),
    };
    if let Ok(host) = HeaderValue::try_from(host) {
        headers.insert(header::HOST, host);
    }
    if route.via {
        via(headers);
    }
    if route.forwarded {
        let fields = [
            ("x-forwarded-for", Some(hop.peer.to_string())),
            (
                "x-forwarded-proto",
                Some(if hop.tls { "https" } else { "http" }.to_owned()),
            ),
            ("x-forwarded-host", hop.host.map(str::to_owned)),
        ];
        for (name, value) in fields {
            if let Some(value) = value.and_then(|text| HeaderValue::try_from(text).ok()) {
                headers.append(HeaderName::from_static(name), value);
            }
        }
    }
}

/// Adds `Via: 1.1 murphy` (RFC 9110 §7.6.3).
pub fn via(headers: &mut HeaderMap) {
    headers.append(header::VIA, HeaderValue::from_static("1.1 murphy"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    name.parse::<HeaderName>().unwrap(),
                    HeaderValue::from_str(value).unwrap(),
                )
            })
            .collect()
    }

    fn names(headers: &HeaderMap) -> Vec<String> {
        headers
            .iter()
            .map(|(name, value)| format!("{name}={}", value.to_str().unwrap()))
            .collect()
    }

    #[test]
    fn named_fields_go_and_the_order_of_the_rest_stays() {
        let mut headers = map(&[
            ("a", "1"),
            ("connection", "close, X-Private"),
            ("b", "2"),
            ("x-private", "p"),
            ("connection", "x-more"),
            ("x-more", "m"),
            ("keep-alive", "timeout=5"),
            ("proxy-authorization", "Basic x"),
            ("c", "3"),
            ("a", "4"),
            ("te", "trailers, deflate;q=0.5"),
        ]);
        assert_eq!(strip_request(&mut headers), None);
        assert_eq!(names(&headers), ["a=1", "a=4", "b=2", "c=3", "te=trailers"]);
    }

    #[test]
    fn connection_cannot_strip_what_the_upstream_decides_by() {
        let mut headers = map(&[
            (
                "connection",
                "authorization, host, mcp-session-id, x-forwarded-for",
            ),
            ("host", "h"),
        ]);
        headers.extend(map(&[
            ("authorization", "Bearer t"),
            ("mcp-session-id", "s"),
            ("x-forwarded-for", "f"),
        ]));
        strip_request(&mut headers);
        assert_eq!(
            names(&headers),
            [
                "host=h",
                "authorization=Bearer t",
                "mcp-session-id=s",
                "x-forwarded-for=f"
            ]
        );
    }

    #[test]
    fn an_upgrade_counts_only_when_connection_names_it() {
        assert_eq!(strip_request(&mut map(&[("upgrade", "websocket")])), None);
        let mut headers = map(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")]);
        assert_eq!(strip_request(&mut headers).unwrap(), "websocket");
        assert!(headers.is_empty());
    }

    #[test]
    fn paths_join_without_touching_an_encoding() {
        let upstream = |base: &str| Upstream {
            scheme: http::uri::Scheme::HTTP,
            authority: "u:1".parse().unwrap(),
            base_path: base.to_owned(),
            protocol: murphy_core::route::Protocol::Auto,
            extra_roots: None,
            insecure: false,
        };
        for (base, rest, query, wanted) in [
            ("", "/", None, "/"),
            ("", "/a%2Fb//c", Some("x=%20&&y"), "/a%2Fb//c?x=%20&&y"),
            ("/mcp", "/", None, "/mcp"),
            ("/mcp", "/", Some(""), "/mcp?"),
            ("/v1", "/x", None, "/v1/x"),
        ] {
            assert_eq!(
                upstream_uri(&upstream(base), rest, query).unwrap().to_string(),
                wanted
            );
        }
    }
}
