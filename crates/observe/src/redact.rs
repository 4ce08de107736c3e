//! What may leave the process: credentials are replaced by the first 8 hex digits of their SHA-256, so that
//! equal ones can be told to be equal and none can be read.
//!
//! Nothing is captured that need not be; this is the second fence, for what people and upstreams put into
//! paths, names and error messages. It errs on the side of hiding too much. All functions can be applied to
//! their own results without changing them.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};
use sha2::{Digest as _, Sha256};

/// Headers whose values are credentials (lower case).
pub const SECRET_HEADERS: [&str; 11] = [
    "authorization",
    "proxy-authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "cookie",
    "set-cookie",
    "mcp-session-id",
    "x-auth-token",
    "x-amz-security-token",
    "x-murphy-token",
];

/// Query keys whose values are credentials (lower case, `-` and `_` left out).
const SECRET_KEYS: [&str; 15] = [
    "key",
    "apikey",
    "xapikey",
    "accesstoken",
    "refreshtoken",
    "idtoken",
    "token",
    "sig",
    "signature",
    "secret",
    "clientsecret",
    "password",
    "xamzsignature",
    "xamzsecuritytoken",
    "xgoogsignature",
];

/// What a replaced credential looks like: `sha256:` and 8 hex digits.
#[must_use]
pub fn digest(secret: &[u8]) -> String {
    let [a, b, c, d, ..]: [u8; 32] = Sha256::digest(secret).into();
    format!("sha256:{:08x}", u32::from_be_bytes([a, b, c, d]))
}

/// The value of a header as it may be shown.
#[must_use]
pub fn header(name: &str, value: &[u8]) -> String {
    if is_secret_header(name) {
        return digest_once(&String::from_utf8_lossy(value));
    }
    text(&String::from_utf8_lossy(value)).into_owned()
}

/// Whether the header's value is a credential.
#[must_use]
pub fn is_secret_header(name: &str) -> bool {
    SECRET_HEADERS
        .iter()
        .any(|secret| name.eq_ignore_ascii_case(secret))
}

/// A URL, a request target or an authority as it may be shown: user information and the values of secret
/// query keys are replaced, however the keys are percent-encoded, and whatever else looks like a credential.
#[must_use]
pub fn url(url: &str) -> String {
    let url = USER_INFO.replace(url, hide);
    let Some((before, query)) = url.split_once(['?', '#']) else {
        return text(&url).into_owned();
    };
    let mark = if url.as_bytes().get(before.len()) == Some(&b'#') {
        '#'
    } else {
        '?'
    };
    let mut shown = format!("{}{mark}", text(before));
    for part in query.split_inclusive(['&', ';', '#', '?']) {
        let pair = part.trim_end_matches(['&', ';', '#', '?']);
        let end = part.get(pair.len()..).unwrap_or_default();
        match pair.split_once('=') {
            Some((key, value)) if is_secret_key(key) && !value.is_empty() => {
                shown.extend([key, "=", &digest_once(value)]);
            }
            _ => shown.push_str(&text(pair)),
        }
        shown.push_str(end);
    }
    shown
}

/// Free text as it may be shown: tokens of known forms, bearer and basic credentials, user information in URLs,
/// and what stands behind the name of a secret header or query key are replaced.
#[must_use]
pub fn text(text: &str) -> Cow<'_, str> {
    if !hints(text.as_bytes()) {
        return Cow::Borrowed(text);
    }
    let mut shown = Cow::Borrowed(text);
    for pattern in [
        &*HEADER_LINE,
        &SCHEME,
        &PAIR,
        &URL_USER_INFO,
        &BARE_USER_INFO,
        &TOKEN,
    ] {
        let replaced = pattern.replace_all(&shown, hide);
        if let Cow::Owned(replaced) = replaced {
            shown = Cow::Owned(replaced);
        }
    }
    shown
}

/// Whether anything is there without which no pattern matches: one quick pass for the ordinary path or name.
fn hints(text: &[u8]) -> bool {
    text.iter().enumerate().any(|(at, byte)| {
        let words: &[&[u8]] = match byte.to_ascii_lowercase() {
            b'=' | b':' | b'@' => return true,
            b'a' => &[b"aiza", b"akia", b"asia"],
            b'b' => &[b"bearer", b"basic"],
            b'e' => &[b"eyj"],
            b'g' => &[
                b"ghp_",
                b"gho_",
                b"ghu_",
                b"ghs_",
                b"ghr_",
                b"github_pat",
                b"glpat",
            ],
            b'h' => &[b"hf_"],
            b's' => &[b"sk-"],
            b'x' => &[b"xox"],
            b'y' => &[b"ya29"],
            _ => return false,
        };
        let rest = text.get(at..).unwrap_or_default();
        words.iter().any(|word| {
            rest.get(..word.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(word))
        })
    })
}

/// Replaces the second group of a pattern, and keeps the first and the third.
fn hide(found: &Captures<'_>) -> String {
    format!(
        "{}{}{}",
        group(found, 1),
        digest_once(group(found, 2)),
        group(found, 3)
    )
}

/// The digest of a secret, or the secret itself if it is a digest.
fn digest_once(secret: &str) -> String {
    if DIGEST.is_match(secret) {
        secret.to_owned()
    } else {
        digest(secret.as_bytes())
    }
}

fn group<'t>(found: &Captures<'t>, nth: usize) -> &'t str {
    found.get(nth).map_or("", |group| group.as_str())
}

/// Whether a query key, percent-encoded or not, names a credential.
fn is_secret_key(key: &str) -> bool {
    let plain: Vec<u8> = percent_decoded(key)
        .filter(|byte| !matches!(byte, b'-' | b'_'))
        .map(|byte| byte.to_ascii_lowercase())
        .collect();
    SECRET_KEYS.iter().any(|secret| plain == secret.as_bytes())
}

fn percent_decoded(text: &str) -> impl Iterator<Item = u8> {
    let mut bytes = text.bytes();
    std::iter::from_fn(move || {
        let byte = bytes.next()?;
        let mut ahead = bytes.clone();
        let digits = (ahead.next().and_then(hex), ahead.next().and_then(hex));
        match (byte, digits) {
            (b'%', (Some(high), Some(low))) => {
                bytes = ahead;
                Some(high << 4 | low)
            }
            _ => Some(byte),
        }
    })
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

/// A pattern of this file; each is a constant that the tests compile.
#[allow(clippy::expect_used)]
fn pattern(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a constant pattern")
}

static DIGEST: LazyLock<Regex> = LazyLock::new(|| pattern(r"^sha256:[0-9a-f]{8}$"));
/// `user:password@` where a URL or an authority begins.
static USER_INFO: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^((?:(?:[A-Za-z][A-Za-z0-9+.-]*:)?//)?)([^/\s?#]+)(@)"));
/// User information of a URL within a text.
static URL_USER_INFO: LazyLock<Regex> = LazyLock::new(|| pattern(r#"(://)([^/\s"'<>?#]+)(@)"#));
/// `user:password@` without a scheme, as in the target of a `CONNECT`.
static BARE_USER_INFO: LazyLock<Regex> =
    LazyLock::new(|| pattern(r#"((?:^|[\s"'<(=]))([^/\s"'<>?#@:]+:[^/\s"'<>?#]+)(@)"#));
/// A secret header with its value to the end of the line or of the quotes.
static HEADER_LINE: LazyLock<Regex> = LazyLock::new(|| {
    let names = SECRET_HEADERS.join("|");
    pattern(&format!(
        r#"(?i)((?:^|[^a-z0-9-])(?:{names})["']?\s*[:=]\s*["']?)([^\s"'][^\r\n"']*)"#
    ))
});
/// An authentication scheme and its credential, also where the space between is encoded.
static SCHEME: LazyLock<Regex> =
    LazyLock::new(|| pattern(r#"(?i)((?:bearer|basic)(?:\s+|%20|\+))([^\s"'<>,;&]{6,})"#));
/// A secret key with its value in a query, a form or a JSON text.
static PAIR: LazyLock<Regex> = LazyLock::new(|| {
    let keys = r"(?:x-)?api[-_]?key|(?:access|refresh|id|auth)[-_]?token|client[-_]?secret|password|secret";
    let only_query = r"key|token|sig|signature|x-(?:amz|goog)-(?:signature|security-token)";
    pattern(&format!(
        r#"(?i)((?:^|[^a-z0-9_-])(?:(?:{keys})["']?\s*[:=]\s*["']?|(?:{only_query})=["']?))([^\s"'&#<>;,]+)"#
    ))
});
/// Tokens of providers by their form.
static TOKEN: LazyLock<Regex> = LazyLock::new(|| {
    let forms = [
        r"sk-[A-Za-z0-9_-]{8,}",
        r"AIza[A-Za-z0-9_-]{8,}",
        r"xox[a-z]-[A-Za-z0-9-]{8,}",
        r"gh[pousr]_[A-Za-z0-9]{8,}",
        r"github_pat_[A-Za-z0-9_]{8,}",
        r"glpat-[A-Za-z0-9_-]{8,}",
        r"hf_[A-Za-z0-9]{8,}",
        r"(?:AKIA|ASIA)[A-Z0-9]{12,}",
        r"ya29\.[A-Za-z0-9_-]{8,}",
        r"eyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?",
    ]
    .join("|");
    pattern(&format!(r"((?:^|[^A-Za-z0-9]|%[0-9A-Fa-f]{{2}}))({forms})"))
});

#[cfg(test)]
mod tests;
