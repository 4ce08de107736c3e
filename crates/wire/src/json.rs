//! Looking at JSON text without building a tree: whether it is JSON, and where its parts stand.

use serde::de::IgnoredAny;

/// Whether serde_json takes the bytes for one JSON text.
pub(crate) fn is_json(body: &[u8]) -> bool {
    // `IgnoredAny` skips over strings without looking at their encoding, hence the first check.
    std::str::from_utf8(body).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

/// What stands at a place in a JSON text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A string that names a member.
    Key,
    /// A string that is a value.
    Text,
    /// A number, `true`, `false` or `null`.
    Plain,
    /// A closing bracket or brace.
    Close,
}

/// A part of a JSON text: `start..end`, quotes included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// The parts of a text that [`is_json`] accepted, in order. On other text it ends somewhere, without a panic.
pub(crate) struct Tokens<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Tokens<'a> {
    pub(crate) fn of(body: &'a [u8]) -> Self {
        Self { body, at: 0 }
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.body.get(at).copied()
    }

    /// The first place at or after `from` whose byte does not satisfy `inside`.
    fn past(&self, from: usize, inside: impl Fn(u8) -> bool) -> usize {
        let rest = self.body.get(from..).unwrap_or_default();
        from + rest.iter().position(|byte| !inside(*byte)).unwrap_or(rest.len())
    }

    /// The place after the quote that ends the string which begins at `start`.
    fn string_end(&self, start: usize) -> usize {
        let mut at = start + 1;
        loop {
            at = self.past(at, |byte| byte != b'"' && byte != b'\\');
            match self.byte(at) {
                Some(b'\\') => at += 2,
                Some(_) => return at + 1,
                None => return self.body.len(),
            }
        }
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        loop {
            let start = self.past(self.at, |byte| byte.is_ascii_whitespace());
            let (kind, end) = match self.byte(start)? {
                b'{' | b'[' | b',' | b':' => {
                    self.at = start + 1;
                    continue;
                }
                b'}' | b']' => (Kind::Close, start + 1),
                b'"' => {
                    let end = self.string_end(start);
                    let next = self.past(end, |byte| byte.is_ascii_whitespace());
                    match self.byte(next) {
                        Some(b':') => (Kind::Key, end),
                        _ => (Kind::Text, end),
                    }
                }
                _ => (
                    Kind::Plain,
                    self.past(start + 1, |byte| {
                        !byte.is_ascii_whitespace() && !b",]}".contains(&byte)
                    }),
                ),
            };
            self.at = end;
            return Some(Token { kind, start, end });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tokens_are_told_apart() {
        let body = br#" {"a\"b" : [1, "x\\", true], "c":{}, "d": -1.5e3 } "#;
        let found: Vec<(Kind, &str)> = Tokens::of(body)
            .map(|t| (t.kind, std::str::from_utf8(&body[t.start..t.end]).unwrap()))
            .collect();
        assert_eq!(
            found,
            [
                (Kind::Key, r#""a\"b""#),
                (Kind::Plain, "1"),
                (Kind::Text, r#""x\\""#),
                (Kind::Plain, "true"),
                (Kind::Close, "]"),
                (Kind::Key, r#""c""#),
                (Kind::Close, "}"),
                (Kind::Key, r#""d""#),
                (Kind::Plain, "-1.5e3"),
                (Kind::Close, "}"),
            ]
        );
    }

    #[test]
    fn bytes_that_are_no_utf8_are_no_json() {
        assert!(is_json(b"\"a\"") && !is_json(b"\"\xff\"") && !is_json(b"") && !is_json(b"1 2"));
    }

    proptest! {
        #![proptest_config(crate::testing::cases(500))]

        #[test]
        fn any_bytes_end(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Tokens::of(&body).count() <= body.len());
        }
    }
}
