//! Who is calling: an id that tells agents apart and never holds a credential.

use std::fmt;
use std::hash::Hasher as _;
use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;
use siphasher::sip::SipHasher13;

/// The header by which an agent may name itself. It is for Murphy and is not forwarded.
pub const AGENT_HEADER: &str = "x-murphy-agent";

/// Headers that carry a credential, in the order in which they are looked at.
pub const CREDENTIAL_HEADERS: [&str; 4] = ["authorization", "x-api-key", "api-key", "x-goog-api-key"];

/// The longest name that an agent may give itself, in bytes; longer ones are cut.
pub const AGENT_NAME_MAX: usize = 64;

/// A caller, for people and for decisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentId {
    /// What stands in events and what a rule's `agent` matches: the name that the agent gave itself,
    /// `key-<hash>` for a credential, `peer-<address>` otherwise.
    pub shown: Arc<str>,
    /// Feeds the call's identity. Equal for equal agents in every process, so that a seed reproduces; it
    /// never leaves the process.
    pub identity: u64,
}

/// The salt of the shown hashes: of this process, so that a hash cannot be looked up elsewhere.
#[derive(Clone, Copy)]
pub struct Salt(pub u64, pub u64);

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(..)")
    }
}

impl AgentId {
    /// Derives the id from what a request carries; `None` if it carries nothing, and the address has to do.
    #[must_use]
    pub fn derive(headers: &HeaderMap, query: Option<&str>, salt: Salt) -> Option<Self> {
        // One pass over the fields: a look-up for each of the names costs more.
        let mut name = None;
        let mut credential: Option<(usize, &[u8])> = None;
        for (field, value) in headers {
            let field = field.as_str();
            if field == AGENT_HEADER {
                name = name.or_else(|| value.to_str().ok());
            } else if let Some(place) = CREDENTIAL_HEADERS.iter().position(|known| *known == field)
                && credential.is_none_or(|(found, _)| place < found)
            {
                credential = Some((place, value.as_bytes()));
            }
        }
        if let Some(name) = name {
            return Some(Self::named(name));
        }
        let credential = credential.map(|(_, value)| value);
        credential
            .or_else(|| query.and_then(query_key).map(str::as_bytes))
            .map(|credential| Self::hashed(credential, salt))
    }

    /// An agent that gave its name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let name: String = name
            .chars()
            .filter(|c| !c.is_control())
            .take(AGENT_NAME_MAX)
            .collect();
        Self {
            identity: hash(0, 0, name.as_bytes()),
            shown: name.into(),
        }
    }

    fn hashed(credential: &[u8], salt: Salt) -> Self {
        let digits = hash(salt.0, salt.1, credential) & 0xffff_ffff_ffff;
        let shown = format!("key-{digits:012x}");
        Self {
            identity: hash(0, 1, credential),
            shown: shown.into(),
        }
    }

    /// An agent of which only the address is known.
    #[must_use]
    pub fn peer(peer: Option<IpAddr>) -> Self {
        let shown = match peer {
            Some(address) => format!("peer-{address}"),
            None => "peer-unknown".to_owned(),
        };
        Self {
            identity: hash(0, 2, shown.as_bytes()),
            shown: shown.into(),
        }
    }
}

impl fmt::Display for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// The value of `key=` or `api_key=` in a query.
fn query_key(query: &str) -> Option<&str> {
    query.split('&').find_map(|pair| {
        pair.strip_prefix("key=")
            .or_else(|| pair.strip_prefix("api_key="))
    })
}

fn hash(key0: u64, key1: u64, bytes: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(key0, key1);
    hasher.write(bytes);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const SALT: Salt = Salt(1, 2);

    fn derive(pairs: &[(&'static str, &'static str)], query: Option<&str>) -> AgentId {
        let headers = pairs
            .iter()
            .map(|(k, v)| (k.parse().unwrap(), HeaderValue::from_static(v)))
            .collect();
        AgentId::derive(&headers, query, SALT).unwrap_or_else(|| AgentId::peer("127.0.0.1".parse().ok()))
    }

    #[test]
    fn the_name_wins_then_the_credential_then_the_address() {
        assert_eq!(
            &*derive(
                &[("x-murphy-agent", "planner"), ("authorization", "Bearer x")],
                None
            )
            .shown,
            "planner"
        );
        assert!(
            derive(&[("authorization", "Bearer x")], None)
                .shown
                .starts_with("key-")
        );
        assert!(derive(&[], Some("a=1&key=secret")).shown.starts_with("key-"));
        assert_eq!(&*derive(&[], None).shown, "peer-127.0.0.1");
    }

    #[test]
    fn the_salt_changes_what_is_shown_and_not_the_identity() {
        let headers = HeaderMap::from_iter([(
            http::header::AUTHORIZATION,
            HeaderValue::from_static("Bearer sk-secret"),
        )]);
        let one = AgentId::derive(&headers, None, Salt(1, 2)).unwrap();
        let two = AgentId::derive(&headers, None, Salt(3, 4)).unwrap();
        assert_ne!(one.shown, two.shown);
        assert_eq!(one.identity, two.identity);
        assert!(!one.shown.contains("secret"));
    }
}
