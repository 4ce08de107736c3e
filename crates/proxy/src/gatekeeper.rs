//! Who may ask: `Host` and `Origin` on loopback listeners.
//!
//! Murphy writes the upstream's own name into `Host`, which defeats the guard against DNS rebinding that the
//! upstream may have. So Murphy keeps that guard itself: on a loopback listener the host must be a loopback
//! name with the listener's port, or a configured one, and a browser's foreign `Origin` is refused.

use std::net::SocketAddr;

use http::HeaderMap;
use http::header;
use http::uri::Authority;

/// What is refused, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The `Host` is not one of the listener's.
    #[error("the host is not a loopback name with this listener's port, and not in `allowed_hosts`")]
    Host,
    /// The `Origin` is foreign.
    #[error("the origin is not this listener, and not in `allowed_hosts`")]
    Origin,
}

/// The hosts that are allowed besides loopback names.
#[derive(Debug, Clone, Default)]
pub struct Gatekeeper {
    /// Lower-case names, with a port (`name:port`) or for every port (`name`); `*` is every name.
    allowed: Vec<String>,
}

impl Gatekeeper {
    /// Allows loopback names and these.
    #[must_use]
    pub fn new(allowed: impl IntoIterator<Item = String>) -> Self {
        Self {
            allowed: allowed
                .into_iter()
                .map(|name| name.to_ascii_lowercase())
                .collect(),
        }
    }

    /// Checks a request that arrived at `local`.
    ///
    /// # Errors
    /// If the host or the origin is not allowed. Listeners beyond loopback are not checked: they are reached by
    /// names that Murphy cannot know.
    pub fn check(&self, local: SocketAddr, host: Option<&str>, headers: &HeaderMap) -> Result<(), Refusal> {
        if !local.ip().is_loopback() {
            return Ok(());
        }
        if host.is_some_and(|host| !self.allows(host, local.port())) {
            return Err(Refusal::Host);
        }
        for origin in headers.get_all(header::ORIGIN) {
            let own = origin.to_str().ok().and_then(host_of_origin);
            if !own.is_some_and(|host| self.allows(host, local.port())) {
                return Err(Refusal::Origin);
            }
        }
        Ok(())
    }

    fn allows(&self, text: &str, port: u16) -> bool {
        is_loopback_at(text, port) || self.allows_authority(text, port)
    }

    fn allows_authority(&self, text: &str, port: u16) -> bool {
        // An authority with user information is never sent by a client in `Host`, and hides what follows it.
        let Ok(authority) = text.parse::<Authority>() else {
            return false;
        };
        if text.contains('@') {
            return false;
        }
        let name = authority.host().to_ascii_lowercase();
        let named = authority.port_u16();
        if authority.port().is_some() && named.is_none() {
            return false;
        }
        let loopback = matches!(name.as_str(), "localhost" | "127.0.0.1" | "[::1]");
        let own =
            |allowed: &String| *allowed == name || *allowed == text.to_ascii_lowercase() || allowed == "*";
        (loopback && named.unwrap_or(80) == port) || self.allowed.iter().any(own)
    }
}

/// The usual case, as it is usually written: a loopback name and the port.
fn is_loopback_at(text: &str, port: u16) -> bool {
    text.rsplit_once(':').is_some_and(|(name, digits)| {
        matches!(name, "127.0.0.1" | "localhost" | "[::1]")
            && digits.bytes().all(|digit| digit.is_ascii_digit())
            && digits.parse() == Ok(port)
    })
}

fn host_of_origin(origin: &str) -> Option<&str> {
    let host = origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"))?;
    (!host.contains('/')).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn check(host: &str, origin: Option<&str>) -> Result<(), Refusal> {
        let mut headers = HeaderMap::new();
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
        }
        let gatekeeper = Gatekeeper::new(["Dev.Test".to_owned(), "other:9".to_owned()]);
        gatekeeper.check("127.0.0.1:7070".parse().unwrap(), Some(host), &headers)
    }

    #[test]
    fn only_loopback_names_with_the_port_and_configured_hosts_pass() {
        for host in [
            "localhost:7070",
            "127.0.0.1:7070",
            "[::1]:7070",
            "LOCALHOST:7070",
            "dev.test",
            "dev.test:1",
            "other:9",
        ] {
            assert_eq!(check(host, None), Ok(()), "{host}");
        }
        for host in [
            "localhost",
            "localhost:7071",
            "localhost.:7070",
            "0.0.0.0:7070",
            "evil.test:7070",
            "evil.localhost:7070",
            "a@localhost:7070",
            "localhost:7070@evil.test",
            "2130706433:7070",
            "127.0.0.2:7070",
            "other",
            "other:8",
            "localhost:",
            "localhost:70700",
            "",
        ] {
            assert_eq!(check(host, None), Err(Refusal::Host), "{host}");
        }
    }

    #[test]
    fn a_foreign_origin_is_refused() {
        assert_eq!(check("localhost:7070", Some("http://localhost:7070")), Ok(()));
        assert_eq!(check("localhost:7070", Some("https://dev.test")), Ok(()));
        for origin in [
            "null",
            "http://localhost:5173",
            "http://evil.test",
            "file://",
            "http://localhost:7070/",
            "ftp://localhost:7070",
        ] {
            assert_eq!(
                check("localhost:7070", Some(origin)),
                Err(Refusal::Origin),
                "{origin}"
            );
        }
    }

    #[test]
    fn a_star_allows_every_name() {
        let gatekeeper = Gatekeeper::new(["*".to_owned()]);
        let local = "127.0.0.1:7070".parse().unwrap();
        assert_eq!(
            gatekeeper.check(local, Some("any.test:1"), &HeaderMap::new()),
            Ok(())
        );
        assert_eq!(
            gatekeeper.check(local, Some("a@b"), &HeaderMap::new()),
            Err(Refusal::Host)
        );
    }

    #[test]
    fn a_listener_beyond_loopback_is_not_checked() {
        let local = "192.0.2.1:7070".parse().unwrap();
        assert_eq!(
            Gatekeeper::default().check(local, Some("any"), &HeaderMap::new()),
            Ok(())
        );
    }
}
