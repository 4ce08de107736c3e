//! What a route may say.

use super::*;

fn route(upstream: &str) -> Result<Vec<Arc<Route>>, Vec<Problem>> {
    routes(
        &[RouteSettings::new("a", "/a", upstream, "plain")],
        &Settings::default(),
        None,
    )
}

#[test]
fn murphy_is_never_its_own_upstream() {
    for own in [
        "http://127.0.0.1:7071",
        "http://127.0.0.1:7070/x",
        "http://localhost:7071",
        "http://LOCALHOST.:7071",
        "http://[::1]:7071",
        "http://0.0.0.0:7071",
        "http://[::ffff:127.0.0.1]:7071",
        "http://127.9.9.9:7071",
    ] {
        let problems = route(own).unwrap_err();
        assert!(problems[0].found.contains("Murphy's own"), "{own}: {problems:?}");
    }
    for other in [
        "http://127.0.0.1:7072",
        "http://example.com:7071",
        "https://10.0.0.1:7070",
    ] {
        assert!(route(other).is_ok(), "{other}");
    }
}

#[test]
fn upstreams_that_are_no_plain_url_are_refused() {
    for bad in [
        "",
        "x",
        "/x",
        "//x",
        "x.com",
        "https://",
        "ws://x",
        "http://x?y",
        "http://x#y",
        "http://u@x",
        "SIM",
    ] {
        assert!(route(bad).is_err(), "{bad:?} was taken");
    }
}

#[test]
fn prefixes_are_whole_clean_paths() {
    let prefix = |path: &str| {
        routes(
            &[RouteSettings::new("a", path, "http://x", "plain")],
            &Settings::default(),
            None,
        )
        .map(|routes| routes[0].prefix.clone())
    };
    assert_eq!(prefix("/").unwrap(), "");
    assert_eq!(prefix("/a%20b/c/").unwrap(), "/a%20b/c");
    for bad in [
        "", "a", "//", "/a//b", "/a/../b", "/.", "/a?b", "/a b", "/a#b", "/ä",
    ] {
        assert!(prefix(bad).is_err(), "{bad:?} was taken");
    }
}

#[test]
fn roots_must_be_certificates() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let with = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let mut written = RouteSettings::new("a", "/a", "https://x", "plain");
        written.ca_file = Some(file.clone());
        routes(&[written], &Settings::default(), None)
    };
    assert!(with("-----BEGIN CERTIFICATE-----\n").is_ok());
    assert_eq!(
        with("nothing").unwrap_err()[0].path.to_string(),
        "routes[0].ca_file"
    );
}
