//! From a route as it is written to a route that can be used.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::Uri;
use http::uri::{Authority, Scheme};
use murphy_core::Name;
use murphy_core::problem::{Path, Problem};
use murphy_core::route::{Protocol, Route, Timeouts, Upstream};
use murphy_dialects::registry;

use crate::load::read_bytes;
use crate::names::closest;
use crate::settings::{HttpVersion, RouteSettings, SIM, Settings};

/// The most routes.
pub(crate) const ROUTES_MAX: usize = 1_024;
const NAME_BYTES_MAX: usize = 64;
const PREFIX_BYTES_MAX: usize = 1_024;

/// Turns all routes into what can be used.
///
/// # Errors
/// All problems, with paths from the document's root.
pub(crate) fn routes(
    written: &[RouteSettings],
    settings: &Settings,
    sim: Option<SocketAddr>,
) -> Result<Vec<Arc<Route>>, Vec<Problem>> {
    let base = Path::root().key("routes");
    let mut problems = Vec::new();
    if written.len() > ROUTES_MAX {
        let wanted = format!("at most {ROUTES_MAX}");
        problems.push(Problem::new(
            base.clone(),
            format_args!("{} routes", written.len()),
            wanted,
        ));
    }
    let mut routes = Vec::new();
    let mut names = HashMap::new();
    let mut places = HashMap::new();
    for (nth, one) in written.iter().enumerate() {
        let mut reader = Reader {
            base: base.index(nth),
            settings,
            sim,
            problems: &mut problems,
        };
        let route = reader.route(one);
        if let Some(earlier) = names.insert(one.name.clone(), nth) {
            reader.problem(
                "name",
                format!("{:?} again", one.name),
                format!("a name that routes[{earlier}] does not have"),
            );
        }
        let Some(route) = route else { continue };
        if let Some(earlier) = places.insert((route.host.clone(), route.prefix.clone()), nth) {
            reader.problem(
                "path",
                format!("{:?} again", one.path),
                format!("a path (or host) that routes[{earlier}] does not take"),
            );
        }
        routes.push(Arc::new(route));
    }
    if problems.is_empty() {
        Ok(routes)
    } else {
        Err(problems)
    }
}

/// What is odd about routes and not wrong.
pub(crate) fn warnings(written: &[RouteSettings]) -> Vec<String> {
    let planned = written
        .iter()
        .filter(|route| registry::PLANNED.contains(&route.dialect.as_str()))
        .map(|route| {
            format!(
                "route {}: the dialect {:?} is planned and behaves as \"plain\" for now",
                route.name, route.dialect
            )
        });
    let insecure = written
        .iter()
        .filter(|route| route.insecure)
        .map(|route| format!("route {}: the upstream's certificate is not verified", route.name));
    planned.chain(insecure).collect()
}

/// All names that `dialect` may have.
pub(crate) fn dialects() -> Vec<&'static str> {
    let names = registry::NAMES.iter().chain(registry::PLANNED).copied();
    names.chain([registry::AUTO]).collect()
}

struct Reader<'a> {
    base: Path,
    settings: &'a Settings,
    sim: Option<SocketAddr>,
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    fn problem(&mut self, key: &str, found: String, wanted: impl Into<String>) {
        self.problems
            .push(Problem::new(self.base.key(key), found, wanted));
    }

    fn route(&mut self, written: &RouteSettings) -> Option<Route> {
        self.name(&written.name);
        let dialects = dialects();
        if !dialects.contains(&written.dialect.as_str()) {
            let mut problem = Problem::new(
                self.base.key("dialect"),
                format_args!("unknown dialect {:?}", written.dialect),
                format!("one of {}", dialects.join(", ")),
            );
            problem.hint =
                closest(&written.dialect, dialects).map(|meant| format!("did you mean {meant:?}?"));
            self.problems.push(problem);
        }
        let host = self.host(written.host.as_deref());
        let prefix = self.prefix(&written.path);
        let upstream = self.upstream(written);
        Some(Route {
            name: written.name.as_str().into(),
            host,
            prefix: prefix?,
            upstream: upstream?,
            dialect: written.dialect.as_str().into(),
            timeouts: Timeouts {
                connect: written.timeouts.connect.0,
                first_byte: written.timeouts.first_byte.map(|span| span.0),
                total: written.timeouts.total.map(|span| span.0),
            },
            protected: written.protected,
            preserve_host: written.preserve_host,
            via: written.via,
            forwarded: written.forwarded,
            retry_unsafe: written.retry_unsafe,
        })
    }

    /// Names stand in metrics and events, so they are plain.
    fn name(&mut self, name: &str) {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let good = !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.chars().all(plain);
        if !good || name.starts_with(['_', '-', '.']) {
            self.problem(
                "name",
                format!("{name:?}"),
                "1 to 64 letters, digits, '.', '_' and '-', starting with a letter or digit",
            );
        }
    }

    fn host(&mut self, host: Option<&str>) -> Option<String> {
        let host = host?;
        let parsed = host.parse::<Authority>();
        if !parsed.is_ok_and(|authority| authority.port().is_none() && authority.host().len() == host.len()) {
            self.problem(
                "host",
                format!("{host:?}"),
                "a host name without scheme, port and path",
            );
        }
        Some(host.to_ascii_lowercase())
    }

    fn prefix(&mut self, path: &str) -> Option<String> {
        let good = path.starts_with('/')
            && path.is_ascii()
            && !path.contains("//")
            && path.len() <= PREFIX_BYTES_MAX
            && path.split('/').all(|segment| !matches!(segment, "." | ".."))
            && path
                .parse::<Uri>()
                .is_ok_and(|uri| uri.path() == path && uri.query().is_none());
        if !good {
            self.problem(
                "path",
                format!("{path:?}"),
                "a path prefix such as \"/openai\", as it is encoded in URLs (\"/\" takes every path)",
            );
            return None;
        }
        Some(path.trim_end_matches('/').to_owned())
    }

    fn upstream(&mut self, written: &RouteSettings) -> Option<Upstream> {
        let extra_roots = match &written.ca_file {
            Some(file) => Some(self.roots(file)?),
            None => None,
        };
        let (scheme, authority, base_path) = if written.upstream == SIM {
            self.simulator()?
        } else {
            self.url(&written.upstream)?
        };
        Some(Upstream {
            scheme,
            authority,
            base_path,
            protocol: match written.protocol {
                HttpVersion::Auto => Protocol::Auto,
                HttpVersion::Http1 => Protocol::Http1,
                HttpVersion::Http2 => Protocol::Http2,
            },
            extra_roots,
            insecure: written.insecure,
        })
    }

    fn simulator(&mut self) -> Option<(Scheme, Authority, String)> {
        // Without an address nobody serves, as in `murphy check`: any will do.
        let address = self.sim.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
        let authority = address.to_string().parse().ok()?;
        Some((Scheme::HTTP, authority, String::new()))
    }

    fn url(&mut self, url: &str) -> Option<(Scheme, Authority, String)> {
        const WANTED: &str = "a URL such as \"https://api.openai.com\" or \"http://127.0.0.1:3001/mcp\" without \
                              user, query and fragment, or \"sim\"";
        // What stands before an @ may be a password: it is not repeated.
        let found = match url.split_once('@') {
            Some(_) => "a URL with a user or password".to_owned(),
            None => format!("{url:?}"),
        };
        let parts = (!url.contains(['@', '#']))
            .then(|| url.parse::<Uri>().ok())
            .flatten();
        let parts = parts.filter(|uri| uri.query().is_none()).map(Uri::into_parts);
        let Some((Some(scheme), Some(authority), path)) =
            parts.map(|parts| (parts.scheme, parts.authority, parts.path_and_query))
        else {
            self.problem("upstream", found, WANTED);
            return None;
        };
        if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
            self.problem("upstream", found, WANTED);
            return None;
        }
        self.not_ourselves(&scheme, &authority);
        let base = path.map(|path| path.path().trim_end_matches('/').to_owned());
        Some((scheme, authority, base.unwrap_or_default()))
    }

    /// Nobody may reach the control API through the proxy, nor make it call itself for ever.
    fn not_ourselves(&mut self, scheme: &Scheme, authority: &Authority) {
        let port = authority
            .port_u16()
            .unwrap_or(if *scheme == Scheme::HTTPS { 443 } else { 80 });
        let own = [
            (self.settings.control.listen, "control API"),
            (self.settings.proxy.listen, "data path"),
        ];
        for (listen, what) in own {
            if listen.port() == port && port != 0 && is_same_host(authority.host(), listen.ip()) {
                self.problem(
                    "upstream",
                    format!("{authority}, which is Murphy's own {what}"),
                    "another server",
                );
            }
        }
    }

    fn roots(&mut self, file: &std::path::Path) -> Option<Name> {
        let wanted = "a file with certificates in PEM (-----BEGIN CERTIFICATE-----)";
        let read = read_bytes(file).map(|bytes| String::from_utf8(bytes).unwrap_or_default());
        match read {
            Ok(text) if text.contains("-----BEGIN CERTIFICATE-----") => Some(text.into()),
            Ok(_) => {
                self.problem("ca_file", format!("{}, without any", file.display()), wanted);
                None
            }
            Err(problem) => {
                self.problem(
                    "ca_file",
                    format!("{}: {}", file.display(), problem.found),
                    wanted,
                );
                None
            }
        }
    }
}

/// Whether a host of a URL may be this machine at an address that a listener has.
fn is_same_host(host: &str, listen: IpAddr) -> bool {
    let host = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .trim_end_matches('.');
    let local = |address: IpAddr| address.is_loopback() || address.is_unspecified();
    match host.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(address) => address == listen || (local(address) && local(listen)),
        Err(_) => host.eq_ignore_ascii_case("localhost") && local(listen),
    }
}

#[cfg(test)]
mod tests;
