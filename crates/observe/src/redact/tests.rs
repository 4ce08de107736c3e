//! A secret in any usual place never survives, and ordinary text is left alone.

use super::*;
use proptest::prelude::*;

/// Keys of the forms that providers hand out.
fn token() -> impl Strategy<Value = String> {
    prop_oneof![
        "sk-[A-Za-z0-9]{20,48}",
        "sk-ant-api03-[A-Za-z0-9_-]{20,60}",
        "sk-proj-[A-Za-z0-9_-]{20,60}",
        "AIza[A-Za-z0-9_-]{35}",
        "xox[bpars]-[0-9]{8,12}-[A-Za-z0-9]{20}",
        "gh[pousr]_[A-Za-z0-9]{36}",
        "github_pat_[A-Za-z0-9_]{30,60}",
        "eyJ[A-Za-z0-9_-]{10,30}\\.eyJ[A-Za-z0-9_-]{10,60}\\.[A-Za-z0-9_-]{20,43}",
    ]
}

/// Secrets without a form of their own, in characters that need no encoding.
fn opaque() -> impl Strategy<Value = String> {
    "[A-Za-z0-9._~-]{8,40}".prop_filter("is a digest", |secret| !secret.starts_with("sha256"))
}

/// Words that may stand around a secret, and hold none.
fn words() -> impl Strategy<Value = String> {
    "[ -~]{0,12}|[a-z ]{0,12}"
}

fn survives(secret: &str, shown: &str) -> bool {
    // Any run of 8 characters of the secret is too much (what a form needs to be recognised is shorter).
    let secret: Vec<char> = secret.chars().collect();
    secret
        .windows(8)
        .any(|run| shown.contains(&run.iter().collect::<String>()))
}

proptest! {
    #[test]
    fn no_token_survives_in_free_text(secret in token(), before in words(), after in words()) {
        for text_with in [
            format!("{before} {secret} {after}"),
            format!("{before}\"{secret}\"{after}"),
            format!("/v1/{secret}/x"),
            format!("{before}%20{secret}"),
            format!("Incorrect API key provided: {secret}."),
        ] {
            let shown = text(&text_with);
            prop_assert!(!survives(&secret, &shown), "{text_with:?} -> {shown:?}");
        }
    }

    #[test]
    fn no_credential_survives_behind_its_name(secret in opaque(), header in prop::sample::select(&SECRET_HEADERS[..])) {
        for text_with in [
            format!("{header}: {secret}"),
            format!("GET / HTTP/1.1\r\n{}: {secret}\r\nhost: x", header.to_uppercase()),
            format!("{{\"{header}\":\"{secret}\"}}"),
            format!("{header}: Custom {secret}"),
            format!("{header}: a=b; c={secret}; Path=/"),
            format!("headers {{{header:?}: {secret:?}, \"host\": \"x\"}}"),
        ] {
            let shown = text(&text_with);
            prop_assert!(!survives(&secret, &shown), "{text_with:?} -> {shown:?}");
        }
        prop_assert!(!survives(&secret, &super::header(header, secret.as_bytes())));
        let other = super::header("x-other", format!("Bearer {secret}").as_bytes());
        prop_assert!(!survives(&secret, &other), "{other:?}");
    }

    #[test]
    fn no_credential_survives_in_urls_nor_in_errors_that_quote_them(
        secret in opaque(),
        key in prop::sample::select(vec!["key", "api_key", "access_token", "sig", "token", "X-Amz-Signature"]),
    ) {
        for with in [
            format!("https://host/v1/models?{key}={secret}"),
            format!("https://host/v1/models?a=1&{key}={secret}&b=2#top"),
            format!("/v1/models?{key}={secret}"),
            format!("https://user:{secret}@host:443/path"),
            format!("https://{secret}@host/path"),
            format!("http://host/#{key}={secret}"),
        ] {
            let shown = url(&with);
            prop_assert!(!survives(&secret, &shown), "{with:?} -> {shown:?}");
            let error = format!("error sending request for url ({with}): connection refused");
            let shown = text(&error);
            prop_assert!(!survives(&secret, &shown), "{error:?} -> {shown:?}");
        }
        let target = format!("user:{secret}@host:443");
        prop_assert!(!survives(&secret, &url(&target)), "CONNECT target {target:?}");
        let named = url(&format!("/x?{}={secret}", key.replace('e', "%65")));
        prop_assert!(!survives(&secret, &named), "{named:?}");
        for scheme in ["Bearer ", "bearer  ", "Basic ", "Bearer%20", "bearer+"] {
            let shown = text(&format!("sent {scheme}{secret}, got 401")).into_owned();
            prop_assert!(!survives(&secret, &shown), "{shown:?}");
        }
    }

    #[test]
    fn to_redact_twice_changes_nothing(plain in "[ -~]{0,60}", secret in token()) {
        for with in [plain.clone(), format!("{plain}?key={secret}"), format!("authorization: Bearer {secret}")] {
            let once = text(&with).into_owned();
            prop_assert_eq!(text(&once), once.as_str());
            let once = url(&with);
            prop_assert_eq!(url(&once), once.as_str());
        }
    }

    #[test]
    fn no_text_makes_it_panic(any in ".{0,60}") {
        let _ = (text(&any), url(&any), header(&any, any.as_bytes()), is_secret_key(&any));
    }
}

#[test]
fn ordinary_text_is_left_alone() {
    for plain in [
        "",
        "/v1/chat/completions",
        "/mcp/files",
        "task-force-alpha/disk-usage-report",
        "claude-sonnet-4-5",
        "gpt-4o-mini",
        "connection refused (os error 111)",
        "unknown key: timeout",
        "peer-127.0.0.1",
        "key-0a1b2c3d4e5f",
        "http://127.0.0.1:7070/a?model=gpt-4&page=2",
        "12:30:01 10:00",
        "mail to a@example.com",
    ] {
        assert_eq!(text(plain), plain);
    }
    assert!(matches!(text("/v1/chat/completions"), Cow::Borrowed(_)));
    let plain = "https://host:8443/v1/models?page=2&sort=key#top";
    assert_eq!(url(plain), plain);
    assert_eq!(header("content-type", b"application/json"), "application/json");
}

#[test]
fn what_is_shown_is_the_hash_of_the_secret_alone() {
    assert_eq!(header("X-API-Key", b"abc"), "sha256:ba7816bf"); // FIPS 180-2, appendix B.1
    assert_eq!(url("/m?key=abc&a=1"), "/m?key=sha256:ba7816bf&a=1");
    assert_eq!(url("https://abc@host/p"), "https://sha256:ba7816bf@host/p");
    assert_eq!(text("GET /m?key=abc failed"), "GET /m?key=sha256:ba7816bf failed");
}
