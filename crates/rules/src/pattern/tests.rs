//! Patterns: what is read, what matches, what is refused.

use super::*;
use proptest::prelude::*;

fn compile(text: &str, subject: Subject) -> Result<Pattern, Problem> {
    Patterns::default().one(text, subject)
}

fn matches(pattern: &str, subject: Subject, text: &str) -> bool {
    compile(pattern, subject).unwrap().matches(text.as_bytes())
}

fn read<T: for<'de> Deserialize<'de>>(yaml: &str) -> Result<OneOf<T>, String> {
    serde_saphyr::from_str(yaml).map_err(|error| error.to_string())
}

#[test]
fn a_value_a_list_and_a_negation_read() {
    let holds = |yaml: &str, text: &str| {
        let set: OneOf<Text> = read(yaml).unwrap();
        set.holds(|item| item.0 == text)
    };
    assert!(holds("a", "a") && !holds("a", "b"));
    assert!(holds("[a, b]", "b") && !holds("[a, b]", "c"));
    assert!(holds("{ not: a }", "b") && !holds("{ not: a }", "a"));
    assert!(holds("{ not: [a, b] }", "c") && !holds("{ not: [a, b] }", "b"));
    assert!(holds("7", "7") && holds("true", "true") && holds("[-1, x]", "-1"));
    assert!(read::<bool>("[true, false]").unwrap().holds(|item| !item));
}

#[test]
fn other_shapes_are_refused_with_the_place_and_what_would_be_right() {
    for (yaml, wanted) in [
        ("[]", "an empty list matches nothing"),
        ("{ nope: a }", "not"),
        ("{ not: { not: a } }", "a value or a list of values"),
        ("{ not: [] }", "an empty list"),
        ("[[a]]", "regex between slashes"),
        ("1.5", "in quotes"),
        ("{}", "not"),
    ] {
        let error = read::<Text>(yaml).unwrap_err();
        assert!(error.contains(wanted), "{yaml}: {error}");
    }
    let many = format!("[{}]", vec!["a"; ALTERNATIVES_MAX + 1].join(","));
    assert!(read::<Text>(&many).unwrap_err().contains("longer than 64"));
    let error = read::<bool>("[true,\n  maybe]").unwrap_err();
    assert!(error.contains("line 2"), "{error}");
}

#[test]
fn texts_match_as_literals_globs_and_regexes() {
    let text = |pattern, text| matches(pattern, Subject::Text, text);
    assert!(text("gpt-4o", "gpt-4o") && !text("gpt-4o", "gpt-4o-mini") && !text("gpt-4o", "GPT-4o"));
    assert!(text("gpt-*", "gpt-4o") && text("*/gpt-*", "openai/a/gpt-4o") && !text("gpt-*", "o3"));
    assert!(text("gpt-?", "gpt-4") && text("gpt-[45]", "gpt-5") && text("{a,b}*", "bx"));
    assert!(text("*", "") && text("*err*", "two\nlines with err\n"));
    assert!(text("/^gpt-[0-9]+/", "gpt-44-x") && text("/mini$/", "gpt-mini") && !text("/^mini/", "gpt-mini"));
    assert!(text(r"a\*", "a*") && !text(r"a\*", "ab"));
    assert!(
        text("/", "/") && text("//", "//"),
        "no regex between these slashes"
    );
}

#[test]
fn in_a_path_one_star_stays_in_its_segment_and_two_cross() {
    let path = |pattern, text| matches(pattern, Subject::Path, text);
    assert!(path("/v1/*", "/v1/chat") && !path("/v1/*", "/v1/chat/completions"));
    assert!(path("/v1/**", "/v1/chat/completions") && !path("/v1/**", "/v2/chat"));
    assert!(
        path("/**/completions", "/v1/chat/completions") && path("/v1/*/completions", "/v1/chat/completions")
    );
    assert!(path("/v1/{chat,files}/**", "/v1/files/7") && path("**", "/any/thing"));
    assert!(path("/^/v[12]/", "/v2/x") && path("/(chat)/", "/v1/chat/x"));
}

#[test]
fn a_path_that_may_be_meant_otherwise_is_refused() {
    let problem = compile("/v1/chat/", Subject::Path).unwrap_err();
    assert!(problem.hint.unwrap().contains("/v1/chat/**"));
    assert!(
        compile("/v1/x**", Subject::Path)
            .unwrap_err()
            .wanted
            .contains("whole segment")
    );
    assert!(
        compile("x**", Subject::Text).is_ok(),
        "only in a path do stars differ"
    );
}

#[test]
fn methods_match_in_any_case() {
    for pattern in ["post", "P*", "/^po/"] {
        assert!(matches(pattern, Subject::Method, "POST"), "{pattern}");
        assert!(!matches(pattern, Subject::Method, "GET"), "{pattern}");
    }
}

/// T11 of the threat model: a pattern can make neither the load slow nor a match.
#[test]
fn hostile_patterns_are_refused_by_size_and_linear_ones_are_not() {
    for pattern in [
        "/(a{1000}){1000}/",
        r"/\w{300}.{300}\pL{200}/",
        r"/((\pL{50}){50}){50}/",
    ] {
        let problem = compile(pattern, Subject::Text).unwrap_err();
        assert!(problem.wanted.contains("1048576 bytes"), "{problem}");
    }
    let evil = compile("/^(a+)+$/", Subject::Text).unwrap();
    let text = format!("{}b", "a".repeat(1 << 20)); // a backtracking engine would take for ever
    assert!(!evil.matches(text.as_bytes()));

    let long = compile(&"a".repeat(PATTERN_BYTES_MAX + 1), Subject::Text).unwrap_err();
    assert_eq!(
        (long.found.as_str(), long.wanted.as_str()),
        ("a pattern of 4097 bytes", "at most 4096 bytes")
    );
    let deep = format!("/{}a{}/", "(".repeat(1_000), ")".repeat(1_000));
    assert!(compile(&deep, Subject::Text).is_err());
    let braces = "{a,".repeat(1_000) + &"}".repeat(1_000);
    assert!(compile(&braces, Subject::Text).is_err());

    let mut patterns = Patterns::default();
    let outcomes: Vec<bool> = (0..=REGEXES_MAX)
        .map(|nth| patterns.one(&format!("/x{nth}/"), Subject::Text).is_ok())
        .collect();
    assert_eq!(
        outcomes.iter().filter(|well| **well).count(),
        REGEXES_MAX as usize
    );
    assert!(patterns.one("x*", Subject::Text).is_ok(), "globs are not counted");
}

#[test]
fn a_wrong_alternative_is_told_with_its_own_place() {
    let mut patterns = Patterns::default();
    let set: OneOf<Text> = read("{ not: [fine, '/(/', '[a'] }").unwrap();
    patterns.set(&Path::root().key("agent"), &set, Subject::Text);
    let places: Vec<_> = patterns
        .problems
        .iter()
        .map(|problem| problem.path.to_string())
        .collect();
    assert_eq!(places, ["agent.not[1]", "agent.not[2]"]);
    assert!(
        patterns.problems[0].wanted.contains("unclosed group"),
        "{}",
        patterns.problems[0]
    );
}

/// What a path glob of `a`, `*` and whole-segment `**` means, in the most naive way.
fn naive(glob: &[&str], path: &[&str]) -> bool {
    match (glob, path) {
        ([], []) => true,
        (["**"], rest) => !rest.is_empty(), // at the end it stands for at least one segment
        (["**", more @ ..], rest) => (0..=rest.len()).any(|skipped| naive(more, &rest[skipped..])),
        ([one, more @ ..], [first, rest @ ..]) => {
            within(one.as_bytes(), first.as_bytes()) && naive(more, rest)
        }
        _ => false,
    }
}

fn within(glob: &[u8], text: &[u8]) -> bool {
    match (glob, text) {
        ([], []) => true,
        ([b'*', more @ ..], rest) => (0..=rest.len()).any(|skipped| within(more, &rest[skipped..])),
        ([one, more @ ..], [first, rest @ ..]) => one == first && within(more, rest),
        _ => false,
    }
}

proptest! {
    #[test]
    fn any_text_compiles_or_is_told_what_would(text in "\\PC{0,40}") {
        for subject in [Subject::Text, Subject::Path, Subject::Method] {
            let tried = compile(&text, subject).map(|pattern| pattern.matches(text.as_bytes()));
            prop_assert!(tried.map_or_else(|problem| !problem.wanted.is_empty(), |_| true));
        }
    }

    #[test]
    fn so_does_a_text_of_special_characters(text in r"[/*?{},\\\[\]()a^-]{0,30}") {
        for subject in [Subject::Text, Subject::Path, Subject::Method] {
            let tried = compile(&text, subject).map(|pattern| pattern.matches(b"/a"));
            prop_assert!(tried.map_or_else(|problem| !problem.wanted.is_empty(), |_| true));
        }
    }

    #[test]
    fn a_text_without_special_characters_matches_itself_only(
        text in "[a-zA-Z0-9._ -]{1,20}", other in "[a-zA-Z0-9._ -]{1,20}",
    ) {
        prop_assert!(matches(&text, Subject::Text, &text));
        prop_assert_eq!(matches(&text, Subject::Text, &other), text == other);
    }

    #[test]
    fn path_globs_mean_what_they_say(
        glob in prop::collection::vec(segment(), 1..5),
        path in prop::collection::vec("[ab]{1,4}", 1..6),
    ) {
        let written = format!("/{}", glob.join("/"));
        let text = format!("/{}", path.join("/"));
        let glob: Vec<&str> = glob.iter().map(String::as_str).collect();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let matched = matches(&written, Subject::Path, &text);
        prop_assert_eq!(matched, naive(&glob, &path), "{} on {}", written, text);
    }
}

/// A segment of a path glob.
fn segment() -> impl Strategy<Value = String> {
    let within = "[ab*]{1,4}".prop_filter("two stars are a whole segment", |text| !text.contains("**"));
    prop_oneof![within, Just("**".to_owned())]
}
