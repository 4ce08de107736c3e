//! Tests of the guard of the control API.

use axum::body::Body;

use super::*;

const LOCAL: &str = "127.0.0.1:7071";

fn guard(token: Option<&str>, allowed: &[&str]) -> Guard {
    let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
    let token = token.map(|token| Token::new(token).unwrap());
    Guard::new(LOCAL.parse().unwrap(), token, &allowed).unwrap()
}

fn request(method: &str, headers: &[(&str, &str)], body: &'static str) -> Request {
    let builder = headers
        .iter()
        .fold(Request::builder().method(method), |builder, (name, value)| {
            builder.header(*name, *value)
        });
    builder.body(Body::from(body)).unwrap()
}

fn status(guard: &Guard, request: &Request) -> u16 {
    guard
        .refuse(request, false, LOCAL.parse().unwrap())
        .map_or(200, |problem| problem.status)
}

#[test]
fn only_names_that_no_dns_server_of_an_attacker_can_give_us_pass_as_host() {
    let guard = guard(None, &["murphy.test", "box:9000"]);
    for (host, wanted) in [
        ("localhost:7071", 200),
        ("LOCALHOST:7071", 200),
        ("127.0.0.1:7071", 200),
        ("[::1]:7071", 200),
        ("murphy.test", 200),
        ("murphy.test:7071", 200),
        ("box:9000", 200),
        ("box", 403),
        ("box:7071", 403),
        ("localhost", 403),
        ("localhost:7070", 403),
        ("localhost.:7071", 403),
        ("user@localhost:7071", 403),
        ("localhost:7071@evil.test", 403),
        ("localhost:7071.evil.test", 403),
        ("0.0.0.0:7071", 403),
        ("127.0.0.2:7071", 403),
        ("127.1:7071", 403),
        ("[::ffff:127.0.0.1]:7071", 403),
        ("evil.test:7071", 403),
        ("sub.murphy.test", 403),
        ("", 403),
    ] {
        assert_eq!(
            status(&guard, &request("GET", &[("host", host)], "")),
            wanted,
            "{host}"
        );
    }
    assert_eq!(status(&guard, &request("GET", &[], "")), 403, "no host");
    let twice = [("host", LOCAL), ("host", LOCAL)];
    assert_eq!(status(&guard, &request("GET", &twice, "")), 403, "two hosts");
}

#[test]
fn an_absolute_form_target_must_pass_as_well() {
    let absolute = |uri: &str| {
        Request::builder()
            .uri(uri)
            .header("host", LOCAL)
            .body(Body::empty())
            .unwrap()
    };
    let guard = guard(None, &[]);
    assert_eq!(status(&guard, &absolute("http://localhost:7071/healthz")), 200);
    assert_eq!(status(&guard, &absolute("http://evil.test:7071/healthz")), 403);
}

#[test]
fn the_address_of_the_connection_itself_passes_as_host() {
    let listen: SocketAddr = "[::]:7071".parse().unwrap();
    let guard = Guard::new(listen, Token::new("t").ok(), &[]).unwrap();
    let local = "[::ffff:10.1.2.3]:7071".parse().unwrap();
    let refused = |host: &str| guard.refuse(&request("GET", &[("host", host)], ""), true, local);
    assert!(refused("10.1.2.3:7071").is_none());
    assert!(refused("10.1.2.4:7071").is_some());
}

#[test]
fn a_foreign_origin_is_refused_whatever_the_method() {
    let guard = guard(None, &["murphy.test"]);
    for (origin, wanted) in [
        ("http://localhost:7071", 200),
        ("http://127.0.0.1:7071", 200),
        ("http://[::1]:7071", 200),
        ("https://murphy.test", 200),
        ("null", 403),
        ("http://localhost", 403),
        ("http://localhost:3000", 403),
        ("http://localhost.:7071", 403),
        ("http://user@localhost:7071", 403),
        ("http://0.0.0.0:7071", 403),
        ("http://evil.test", 403),
        ("http://localhost:7071.evil.test", 403),
        ("file://localhost:7071", 403),
        ("chrome-extension://localhost:7071", 403),
        ("", 403),
    ] {
        for method in ["GET", "POST"] {
            let headers = [
                ("host", LOCAL),
                ("origin", origin),
                ("content-type", "application/json"),
            ];
            assert_eq!(
                status(&guard, &request(method, &headers, "{}")),
                wanted,
                "{method} {origin}"
            );
        }
    }
}

#[test]
fn a_write_must_be_something_that_a_web_page_has_to_ask_for() {
    let guard = guard(None, &[]);
    let post = |headers: &[(&str, &str)], body: &'static str| {
        let all: Vec<(&str, &str)> = [("host", LOCAL)].iter().chain(headers).copied().collect();
        status(&guard, &request("POST", &all, body))
    };
    assert_eq!(post(&[("content-type", "application/json")], "{}"), 200);
    assert_eq!(
        post(&[("content-type", "Application/JSON; charset=utf-8")], "{}"),
        200
    );
    for media_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonx",
        "application/yaml",
        "text/plain; application/json",
        "",
    ] {
        assert_eq!(post(&[("content-type", media_type)], "{}"), 415, "{media_type}");
    }
    assert_eq!(post(&[], "{}"), 415, "a body without a type");
    assert_eq!(post(&[], ""), 200, "curl -X POST");
    assert_eq!(
        post(&[("origin", "http://127.0.0.1:7071")], ""),
        415,
        "an own page without a type"
    );
    assert_eq!(post(&[("sec-fetch-site", "same-origin")], ""), 415);
    assert_eq!(post(&[("sec-fetch-site", "cross-site")], ""), 403);
    let cross = [
        ("sec-fetch-site", "same-site"),
        ("content-type", "application/json"),
    ];
    assert_eq!(post(&cross, "{}"), 403);
    let twice = [
        ("content-type", "application/json"),
        ("content-type", "text/plain"),
    ];
    assert_eq!(post(&twice, "{}"), 415, "two types");
}

#[test]
fn the_token_is_needed_exactly_and_once() {
    let guard = guard(Some("correct-horse"), &[]);
    let get = |values: &[&str]| {
        let mut headers = vec![("host", LOCAL)];
        headers.extend(values.iter().map(|value| ("authorization", *value)));
        status(&guard, &request("GET", &headers, ""))
    };
    assert_eq!(get(&["Bearer correct-horse"]), 200);
    assert_eq!(get(&["bearer correct-horse"]), 200);
    assert_eq!(get(&[]), 401);
    for wrong in [
        "correct-horse",
        "Basic correct-horse",
        "Bearer",
        "Bearer ",
        "Bearer correct-hors",
    ] {
        assert_eq!(get(&[wrong]), 401, "{wrong}");
    }
    assert_eq!(
        get(&["Bearer correct-horse", "Bearer correct-horse"]),
        401,
        "two headers"
    );
    let open = guard.refuse(
        &request("GET", &[("host", LOCAL)], ""),
        true,
        LOCAL.parse().unwrap(),
    );
    assert!(open.is_none(), "an open path needs none");
}

#[test]
fn without_a_token_only_loopback_may_be_listened_on() {
    for listen in ["0.0.0.0:7071", "[::]:7071", "10.0.0.1:7071"] {
        let listen = listen.parse().unwrap();
        assert!(
            matches!(Guard::new(listen, None, &[]), Err(GuardError::Exposed(_))),
            "{listen}"
        );
        assert!(Guard::new(listen, Token::new("t").ok(), &[]).is_ok());
    }
    for listen in [
        "127.0.0.1:0",
        "[::1]:7071",
        "127.3.2.1:7071",
        "[::ffff:127.0.0.1]:1",
    ] {
        assert!(Guard::new(listen.parse().unwrap(), None, &[]).is_ok(), "{listen}");
    }
}

#[test]
fn a_token_is_printable_ascii_and_never_prints_itself() {
    assert_eq!(format!("{:?}", Token::new(" s3cret\n").unwrap()), "***");
    for bad in ["", "  ", "two words", "naïve", "a\u{7f}b"] {
        assert!(Token::new(bad).is_err(), "{bad:?}");
    }
    assert!(Token::new(&"x".repeat(TOKEN_BYTES_MAX + 1)).is_err());
}

#[test]
fn the_port_is_that_of_the_connection_whatever_was_configured() {
    let guard = Guard::new("127.0.0.1:0".parse().unwrap(), None, &[]).unwrap();
    let refused = |host: &str, local: &str| {
        let request = request("GET", &[("host", host)], "");
        guard.refuse(&request, false, local.parse().unwrap()).is_some()
    };
    assert!(!refused("localhost:4711", "127.0.0.1:4711"));
    assert!(refused("localhost:0", "127.0.0.1:4711") && refused("localhost", "127.0.0.1:4711"));
    assert!(
        !refused("localhost", "127.0.0.1:80"),
        "the default port is left out"
    );
    assert!(refused("evil.test", "127.0.0.1:80") && refused("evil.test:80", "127.0.0.1:80"));
}
