//! Reading the configuration: layers, places of mistakes, bounds.

use std::path::PathBuf;

use super::*;

/// Loads a configuration file with this text.
fn loaded(text: &str) -> Result<Loaded, Vec<String>> {
    with(text, Sources::default())
}

fn with(text: &str, sources: Sources) -> Result<Loaded, Vec<String>> {
    let sources = Sources {
        config_file: Some(PathBuf::from("murphy.toml")),
        ..sources
    };
    of_text(&sources, Some(text)).map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

/// The first line of each problem.
fn told(text: &str) -> Vec<String> {
    let problems = loaded(text).expect_err("it was taken");
    problems
        .iter()
        .map(|text| text.lines().next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn without_a_file_the_built_in_routes_serve() {
    let sources = Sources {
        sim: Some(([127, 0, 0, 1], 4711).into()),
        ..Sources::default()
    };
    let loaded = load(&sources).unwrap();
    let routes: Vec<String> = loaded
        .routes
        .iter()
        .map(|route| format!("{} {} {}", route.name, route.prefix, route.upstream.authority))
        .collect();
    assert_eq!(
        routes,
        [
            "sim /sim 127.0.0.1:4711",
            "openai /openai api.openai.com",
            "anthropic /anthropic api.anthropic.com",
            "gemini /gemini generativelanguage.googleapis.com",
        ]
    );
    assert_eq!(loaded.warnings, Vec::<String>::new());
}

#[test]
fn a_route_reads_with_all_its_parts_through_all_layers() {
    let text = r#"
[proxy]
max_header_bytes = "32KiB"

[[routes]]
name = "a"
host = "A.example"
path = "/a/b/"
upstream = "https://x.test:8443/base/"
dialect = "mcp"
timeouts = { connect = "3s", first_byte = "1m" }
protected = true
protocol = "http2"

[[routes]]
name = "rest"
path = "/"
upstream = "sim"
"#;
    let loaded = loaded(text).unwrap();
    let [first, rest] = loaded.routes.as_slice() else {
        panic!("{:?}", loaded.routes);
    };
    assert_eq!(
        (first.host.as_deref(), first.prefix.as_str()),
        (Some("a.example"), "/a/b")
    );
    assert_eq!(
        (
            first.upstream.authority.as_str(),
            first.upstream.base_path.as_str()
        ),
        ("x.test:8443", "/base")
    );
    assert_eq!(first.timeouts.first_byte.unwrap().as_secs(), 60);
    assert!(first.protected && first.timeouts.total.is_none());
    assert_eq!(rest.prefix, "");
    assert_eq!(loaded.settings.proxy.max_header_bytes.0, 32 << 10);
    assert_eq!(
        loaded.warnings.len(),
        1,
        "the dialect is planned: {:?}",
        loaded.warnings
    );
}

#[test]
fn mistakes_have_file_line_column_value_and_suggestion() {
    let cases = [
        (
            "[proxy]\nlisen = \"127.0.0.1:1\"\n",
            "murphy.toml:2:1: found unknown key \"lisen\", wanted one of listen, mark,",
        ),
        (
            "[proxi]\n",
            "murphy.toml:1:2: found unknown key \"proxi\", wanted one of seed, proxy,",
        ),
        (
            "[proxy]\nlisten = \"nowhere\"\n",
            "murphy.toml:2:10: found \"nowhere\", wanted an address and port such as 127.0.0.1:7070 or [::1]:7070",
        ),
        (
            "[proxy]\nmark = 3\n",
            "murphy.toml:2:8: found 3, wanted a boolean",
        ),
        (
            "[kill_switch]\nwindow = \"5 stones\"\n",
            "murphy.toml:2:10: found \"5 stones\", wanted a duration such as",
        ),
        (
            "[kill_switch]\nbasis = \"organics\"\n",
            "murphy.toml:2:9: found unknown value \"organics\"",
        ),
        (
            "[kill_switch]\nerror_rate = 1.5\n",
            "murphy.toml:2:14: found 1.5, wanted a share such as 50% or 0.5",
        ),
        (
            "[[routes]]\nname = \"a\"\npath = \"/a\"\n",
            "murphy.toml:1:1: found no \"upstream\", wanted \"upstream\"",
        ),
        ("[proxy\n", "murphy.toml:1:"),
        (
            "[control]\nlisten = \"0.0.0.0:7071\"\n",
            "murphy.toml:2:10: control.listen: found 0.0.0.0:7071 without control.token_file, wanted a loopback",
        ),
        (
            "[proxy]\nmax_headers = 0\n",
            "murphy.toml:2:15: proxy.max_headers: found 0, wanted 1 to 10000",
        ),
        (
            "[kill_switch]\nslow_call = \"1s\"\n",
            "murphy.toml:2:13: kill_switch.slow_call: found slow_call without slow_rate, wanted both or none",
        ),
        (
            "[kill_switch]\nwindow = \"2h\"\n",
            "murphy.toml:2:10: kill_switch.window: found 2h, wanted at most 3600s",
        ),
        (
            "[scenarios]\nactive = [\"ok\", { name = \"../x\", for = \"forever\" }]\n",
            "murphy.toml:2:17: scenarios.active[1]: found \"../x\", wanted 1 to 64",
        ),
    ];
    for (text, expected) in cases {
        let told = told(text);
        assert!(
            told.len() == 1 && told[0].starts_with(expected),
            "{text}\n{told:#?}\nwanted {expected}"
        );
    }
    let hint = told("[proxy]\nlisen = \"127.0.0.1:1\"\n").remove(0);
    assert!(hint.ends_with("(did you mean \"listen\"?)"), "{hint}");
}

#[test]
fn all_mistakes_of_meaning_are_told_at_once() {
    let text = r#"
[[routes]]
name = "a b"
path = "a"
upstream = "ftp://x"
dialect = "opnai"

[[routes]]
name = "c"
path = "/c"
upstream = "http://127.0.0.1:7071/api"

[[routes]]
name = "c"
path = "/c"
upstream = "http://user:secret@x"
"#;
    let told = told(text);
    let paths: Vec<&str> = told.iter().filter_map(|line| line.split(": ").nth(1)).collect();
    assert_eq!(
        paths,
        [
            "routes[0].name",
            "routes[0].dialect",
            "routes[0].path",
            "routes[0].upstream",
            "routes[1].upstream",
            "routes[2].upstream",
            "routes[2].name",
        ]
    );
    assert!(
        told[1].contains("did you mean \"openai\"?") && told[1].starts_with("murphy.toml:6:11: "),
        "{}",
        told[1]
    );
    assert!(told[4].contains("Murphy's own control API"), "{}", told[4]);
    assert!(!told.join("").contains("secret"));
}

#[test]
fn a_wrong_value_from_outside_the_file_names_where_it_came_from() {
    let sources = Sources {
        env: vec![("MURPHY__CONTROL__LISTEN".into(), "0.0.0.0:7071".into())],
        overrides: vec![Override {
            key: "scenarios.active".into(),
            value: "UPPER".into(),
            from: "--activate".into(),
        }],
        ..Sources::default()
    };
    let problems = with("[control]\nlisten = \"127.0.0.1:1\"\n", sources).unwrap_err();
    assert!(
        problems[0]
            .starts_with("environment variable MURPHY__CONTROL__LISTEN: control.listen: found 0.0.0.0"),
        "{problems:?}"
    );
    assert!(
        problems[1].starts_with("--activate: scenarios.active[0]: found \"UPPER\""),
        "{problems:?}"
    );
}

#[test]
fn a_file_is_bounded_and_must_be_text() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("murphy.toml");
    let told = |bytes: &[u8]| {
        std::fs::write(&file, bytes).unwrap();
        read(&file).unwrap_err().problem.wanted
    };
    assert_eq!(told(&vec![b'#'; FILE_BYTES_MAX + 1]), "at most 1048576 bytes");
    assert_eq!(told(b"# \xff"), "UTF-8 text");
    std::fs::remove_file(&file).unwrap();
    assert_eq!(read(&file).unwrap_err().problem.wanted, "a file that can be read");
}
