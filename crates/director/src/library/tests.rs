//! Reading scenarios: places of mistakes, links, bombs.

use std::fmt::Write as _;

use super::*;

const GOOD: &str = "rules:\n  - name: a\n    fault: { status: 503 }\n";

fn entry(text: &str) -> Result<Entry, Vec<String>> {
    entry_in(FilePath::new("."), text)
}

fn entry_in(dir: &FilePath, text: &str) -> Result<Entry, Vec<String>> {
    let source = Source {
        name: "x".into(),
        text: text.into(),
        file: Some("scenarios/x.yaml".into()),
    };
    prepare(source, dir, &[]).map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

#[test]
fn mistakes_have_file_line_column_value_and_suggestion() {
    let cases = [
        (
            "rules:\n  - name: a\n    fault: { dealy: 2s }\n",
            "scenarios/x.yaml:3:14: found unknown value \"dealy\"",
            "did you mean \"delay\"?",
        ),
        (
            "rules:\n  - name: a\n    falt: { delay: 2s }\n",
            "scenarios/x.yaml:3:5: found unknown key \"falt\"",
            "did you mean \"fault\"?",
        ),
        (
            "rulez: []\n",
            "scenarios/x.yaml:1:1: found unknown key \"rulez\"",
            "did you mean \"rules\"?",
        ),
        (
            "description: x\n",
            "scenarios/x.yaml:1:1: found no \"rules\", wanted \"rules\"",
            "",
        ),
        (
            "rules:\n  - name: a\n    often: { every: -3 }\n    fault: { delay: 2s }\n",
            "scenarios/x.yaml:3:21: ",
            "-3",
        ),
        (
            "rules:\n  - name: a\n    often: { probability: 1.5 }\n    fault: { delay: 2s }\n",
            "scenarios/x.yaml:3:27: found 1.5, wanted a share",
            "",
        ),
        (
            "rules:\n  - name: a\n    fault: { delay: 2 stones }\n",
            "scenarios/x.yaml:3:21: ",
            "2 stones",
        ),
        (
            "rules:\n  - name: a\n    name: b\n",
            "scenarios/x.yaml:3:5: ",
            "name",
        ),
        ("rules: [\n", "scenarios/x.yaml:1:8: found unclosed bracket", ""),
        ("", "scenarios/x.yaml:", ""),
        (
            "rules:\n  - name: A\n    fault: { delay: 2s }\n",
            "scenarios/x.yaml:2:11: rules[0].name: found \"A\"",
            "",
        ),
    ];
    for (text, start, part) in cases {
        let told = entry(text).expect_err(text);
        assert!(
            told[0].starts_with(start) && told[0].contains(part),
            "{text}\n{}\nwanted {start} … {part}",
            told[0]
        );
    }
}

#[test]
fn all_problems_of_a_scenario_are_told_at_once() {
    let text = "rules:\n  - name: a\n    when: { route: nope }\n    fault: { status: 42 }\n  - name: a\n    often: { every: 0 }\n    fault: { delay: 1s }\n";
    let told = entry(text).unwrap_err();
    assert!(told.len() >= 3, "{told:#?}");
    assert!(
        told.iter()
            .all(|line| line.starts_with("scenarios/x.yaml:") && !line.contains(":0:")),
        "{told:#?}"
    );
}

#[test]
fn json_is_read_as_well() {
    let entry =
        entry(r#"{"catalog":{"id":"TF-002"},"rules":[{"name":"a","fault":{"delay":"2s"}}]}"#).unwrap();
    assert_eq!(entry.compiled.rules.len(), 1);
    assert_eq!(entry.catalog, Some(serde_json::json!({"id": "TF-002"})));
}

/// The peak of this process's memory, in bytes.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kib.unwrap_or_default() * 1024
}

#[test]
fn bombs_are_refused_fast_and_in_little_memory() {
    let long = "x".repeat(100_000);
    let mut aliased = format!("description: &a \"{long}\"\nrules: [");
    for _ in 0..20_000 {
        aliased.push_str("*a,");
    }
    aliased.push_str("]\n");
    let mut nested_aliases = String::from("a: &a [x, x, x, x, x, x, x, x, x]\n");
    for (name, from) in [
        ("b", "a"),
        ("c", "b"),
        ("d", "c"),
        ("e", "d"),
        ("f", "e"),
        ("g", "f"),
        ("h", "g"),
        ("i", "h"),
    ] {
        let many = vec![format!("*{from}"); 9].join(", ");
        let _infallible = writeln!(nested_aliases, "{name}: &{name} [{many}]");
    }
    let inside = |value: &str| {
        format!(
            "rules:\n  - name: a\n    when: {{ body: {{ equals: {value} }} }}\n    fault: {{ delay: 1s }}\n"
        )
    };
    let laughs = format!("{nested_aliases}{GOOD}");
    let deep = inside(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)));
    let deep_blocks = (0..2_000).fold(String::from("rules:\n"), |mut text, depth| {
        let _infallible = writeln!(text, "{}- ", " ".repeat(depth));
        text
    });
    let quiet = inside(&format!("[&a \"{long}\", {}]", vec!["*a"; 20_000].join(", ")));
    let before = peak_memory();
    for (what, text) in [
        ("a long scalar, aliased", aliased),
        ("the same where any value may stand", quiet),
        ("a billion laughs", laughs),
        ("deep nesting", deep),
        ("deep blocks", deep_blocks),
    ] {
        let started = tokio::time::Instant::now();
        assert!(entry(&text).is_err(), "{what} was taken");
        assert!(
            started.elapsed() < std::time::Duration::from_secs(1),
            "{what} took too long"
        );
    }
    let grown = peak_memory().saturating_sub(before);
    assert!(grown < 64 << 20, "the peak grew by {grown} bytes");
}

#[cfg(unix)]
#[test]
fn links_inside_the_folder_are_followed_and_others_are_not() {
    use std::os::unix::fs::symlink;
    let outer = tempfile::tempdir().unwrap();
    let dir = outer.path().join("scenarios");
    std::fs::create_dir_all(dir.join("..data")).unwrap();
    std::fs::write(dir.join("..data/good.yaml"), GOOD).unwrap();
    symlink("..data/good.yaml", dir.join("good.yaml")).unwrap();
    std::fs::write(outer.path().join("secret.yaml"), GOOD).unwrap();
    symlink(outer.path().join("secret.yaml"), dir.join("evil.yaml")).unwrap();
    symlink(outer.path(), dir.join("folder.yaml")).unwrap();
    std::fs::create_dir(dir.join("sub.yaml")).unwrap();
    std::fs::write(dir.join("Not-A-Name.yaml"), GOOD).unwrap();
    std::fs::write(dir.join("good.yml"), GOOD).unwrap();
    std::fs::write(dir.join(".hidden.yaml"), "not read").unwrap();
    std::fs::write(dir.join("page.html"), "not read").unwrap();
    let (sources, problems) = read_folder(&dir);
    let names: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
    assert_eq!(names, ["good"]);
    let mut wrong: Vec<String> = problems
        .iter()
        .map(|located| {
            format!(
                "{} {}",
                located.file.rsplit('/').next().unwrap(),
                located.problem.found
            )
        })
        .collect();
    wrong.sort();
    assert_eq!(
        wrong,
        [
            "Not-A-Name.yaml a file named \"Not-A-Name\"",
            "evil.yaml a link out of the folder",
            "folder.yaml a link out of the folder",
            "good.yml a second file for scenario \"good\"",
            "sub.yaml something that is no file",
        ]
    );
}

#[test]
fn files_beside_are_read_only_below_the_folder() {
    let outer = tempfile::tempdir().unwrap();
    let dir = outer.path().join("scenarios");
    std::fs::create_dir_all(dir.join("pages")).unwrap();
    std::fs::write(dir.join("pages/502.html"), "<html>").unwrap();
    std::fs::write(outer.path().join("secret"), "s").unwrap();
    let with = |file: &str| {
        let text = format!("rules:\n  - name: a\n    fault: {{ status: {{ code: 502, file: {file:?} }} }}\n");
        entry_in(&dir, &text)
    };
    let entry = with("pages/502.html").unwrap();
    assert_eq!(entry.files, [dir.join("pages/502.html")]);
    for bad in [
        "../secret",
        "/etc/passwd",
        "",
        "pages",
        "pages/../../secret",
        "nope",
        "..\\secret",
        "./pages/502.html\0",
    ] {
        assert!(with(bad).is_err(), "{bad:?} was read");
    }
}

#[test]
fn the_fingerprint_covers_the_files_that_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let text = "rules:\n  - name: a\n    fault: { status: { code: 502, file: page.html } }\n";
    let with = |content: &str| {
        std::fs::write(dir.path().join("page.html"), content).unwrap();
        entry_in(dir.path(), text).unwrap().hash
    };
    assert_eq!(with("a"), with("a"));
    assert_ne!(with("a"), with("b"));
}
