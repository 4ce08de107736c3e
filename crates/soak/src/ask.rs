//! What a client asks the origin for: written into a path and read from it, so that both ends know what must come.

use crate::content::{Content, EVENT_BYTES, Kind};

/// One question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// Unique in a run: by it the origin's ledger and the event log are joined.
    pub id: u64,
    /// What the answer's body must be.
    pub down: Content,
    /// What the request's body is, if there is one.
    pub up: Option<Content>,
    /// Whether the answer's length is left open, with a trailer at its end.
    pub open: bool,
    /// Milliseconds before each piece of the answer but the first.
    pub pace_ms: u64,
    /// Milliseconds before the answer's head.
    pub head_ms: u64,
}

impl Ask {
    /// A question for so many bytes of this kind.
    #[must_use]
    pub fn of(id: u64, kind: Kind, length: u64) -> Self {
        let length = match kind {
            Kind::Bytes => length,
            Kind::Json => length.max(8),
            Kind::Events => length.div_ceil(EVENT_BYTES) * EVENT_BYTES,
        };
        let down = Content {
            kind,
            seed: id,
            length,
        };
        Self {
            id,
            down,
            up: None,
            open: kind == Kind::Events,
            pace_ms: 0,
            head_ms: 0,
        }
    }

    /// With a body of so many bytes.
    #[must_use]
    pub fn uploading(mut self, kind: Kind, length: u64) -> Self {
        let length = if kind == Kind::Json { length.max(8) } else { length };
        self.up = Some(Content {
            kind,
            seed: !self.id,
            length,
        });
        self
    }

    /// The path below a route's prefix, and the query.
    #[must_use]
    pub fn target(&self) -> String {
        let up = self.up.map_or_else(String::new, |up| {
            format!("&u={}&un={}", up.kind.name(), up.length)
        });
        format!(
            "/r/{}?k={}&n={}&o={}&p={}&h={}{up}",
            self.id,
            self.down.kind.name(),
            self.down.length,
            u8::from(self.open),
            self.pace_ms,
            self.head_ms,
        )
    }

    /// Reads what [`Self::target`] wrote.
    #[must_use]
    pub fn parse(path: &str, query: &str) -> Option<Self> {
        let id = path.rsplit_once("/r/")?.1.parse().ok()?;
        let value = |name: &str| {
            query
                .split('&')
                .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
        };
        let number = |name: &str| value(name)?.parse::<u64>().ok();
        let mut ask = Self::of(id, Kind::named(value("k")?)?, number("n")?);
        ask.open = number("o")? == 1;
        ask.pace_ms = number("p")?;
        ask.head_ms = number("h")?;
        if let Some(kind) = value("u") {
            ask = ask.uploading(Kind::named(kind)?, number("un")?);
        }
        Some(ask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut ask = Ask::of(77, Kind::Events, 500).uploading(Kind::Json, 3);
        (ask.pace_ms, ask.head_ms) = (5, 6);
        for ask in [ask, Ask::of(1, Kind::Bytes, 0)] {
            let target = ask.target();
            let (path, query) = target.split_once('?').unwrap();
            assert_eq!(Ask::parse(path, query), Some(ask), "{target}");
        }
        assert_eq!(Ask::parse("/r/x", "k=bytes&n=1"), None);
    }
}
