//! The corpus of http-desync-guardian, read where cargo keeps the published package: what it calls ambiguous or
//! severe does not pass, what it calls compliant does. Each exception is named, with the rule that speaks for it.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)] // helpers of a test

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use cargo_metadata::MetadataCommand;
use murphy_wire::http1::{GuardLimits, RequestGuard, Scan, Violation};
use serde_json::Value;

const LIMITS: GuardLimits = GuardLimits {
    head_bytes_max: 16 << 10,
    fields_max: 100,
};

/// Cases that the corpus calls ambiguous and that pass: RFC 9112 has no objection to them.
const PASS_THOUGH_AMBIGUOUS: &[(&str, &str)] = &[
    (CONTENT_IN_GET, "Get with a body and Content-Length"),
    (CONTENT_IN_GET, "Get with a body and Transfer-Encoding"),
    (CONTENT_IN_GET, "Head with a body and Content-Length"),
    (CONTENT_IN_GET, "Head with a body and Transfer-Encoding"),
    (CONTENT_IN_GET, "Has a CL in GET"),
    (CONTENT_IN_GET, "Has a TE in GET"),
    (OTHER_FIELD, "Transfer_Encoding with underscore."),
    (OTHER_FIELD, "Content_Length with underscore."),
    (OTHER_FIELD, "Transfer-Encoding with multiple hyphens"),
    (OTHER_FIELD, "Transfer-Encoding with multiple delimiters"),
];
const CONTENT_IN_GET: &str = "content in GET or HEAD has no meaning, but is framed like any other (RFC 9110 §9.3.1, \
    RFC 9112 §6)";
const OTHER_FIELD: &str = "the name is a token and not that of a framing field (RFC 9110 §5.1)";

/// Cases that the corpus calls compliant and that are refused: a strict reader of RFC 9112 objects.
const REFUSED_THOUGH_COMPLIANT: &[(&str, Violation)] = &[
    // It carries a fragment, which RFC 9112 §3.2 has no place for and hyper drops without a word.
    ("Compliant URL", Violation::Target),
    // Codings other than chunked are not implemented: 501 (RFC 9112 §6.1). `identity` is no coding any more.
    (
        "Different Transfer-Encoding headers combined",
        Violation::TransferCodingUnknown,
    ),
    ("Correct TE OK", Violation::TransferCodingUnknown),
    (
        "Transfer-Encoding: identity and chunked OK",
        Violation::TransferCodingUnknown,
    ),
    // The first of several fields does not end with chunked, and they are not joined.
    ("Different Transfer-Encoding headers", Violation::TransferEncoding),
    (
        "Multiple transfer encoding headers in a single request OK",
        Violation::TransferEncoding,
    ),
    // "The chunked coding does not define any parameters. Their presence SHOULD be treated as an error" (§7.1).
    (
        "Transfer-Encoding with a param: chunked;custom_param",
        Violation::TransferEncoding,
    ),
    ("TE with custom parameters OK", Violation::TransferEncoding),
    // A request target is never empty (§3.2).
    ("Empty URI", Violation::Target),
];

/// One case, as it stands on the wire.
struct Case {
    name: String,
    tier: String,
    request: Vec<u8>,
}

#[test]
fn the_corpus_is_judged_as_it_says() {
    let mut wrong = Vec::new();
    let mut tiers: BTreeMap<String, usize> = BTreeMap::new();
    let cases = cases();
    for case in &cases {
        *tiers.entry(case.tier.clone()).or_default() += 1;
        let scan = RequestGuard::new(LIMITS).scan(&case.request);
        let exception = REFUSED_THOUGH_COMPLIANT
            .iter()
            .find(|(name, _)| *name == case.name);
        let passes = PASS_THOUGH_AMBIGUOUS.iter().any(|(_, name)| *name == case.name);
        let fits = match (case.tier.as_str(), exception, scan) {
            ("Compliant", Some((_, want)), Scan::Reject { from: 0, violation }) => violation == *want,
            ("Compliant", None, Scan::Pass) => true,
            ("Ambiguous", None, Scan::Pass) => passes,
            ("Ambiguous" | "Severe", None, Scan::Reject { from: 0, .. }) => !passes,
            ("Acceptable", None, Scan::Pass | Scan::Reject { .. }) => true,
            _ => false,
        };
        if !fits {
            wrong.push(format!("{} ({}): {scan:?}", case.name, case.tier));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} cases: {wrong:#?}",
        wrong.len(),
        cases.len()
    );
    for (tier, at_least) in [("Compliant", 20), ("Ambiguous", 30), ("Severe", 40)] {
        let found = tiers.get(tier).copied().unwrap_or_default();
        assert!(
            found >= at_least,
            "only {found} cases are {tier}: the corpus was not read whole"
        );
    }
}

#[test]
fn every_exception_names_a_case() {
    let cases = cases();
    let known = |name: &str| cases.iter().any(|case| case.name == name);
    let passing = PASS_THOUGH_AMBIGUOUS.iter().map(|(_, name)| *name);
    let refused = REFUSED_THOUGH_COMPLIANT.iter().map(|(name, _)| *name);
    let unknown: Vec<&str> = passing.chain(refused).filter(|name| !known(name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

/// Where cargo keeps the package.
fn corpus() -> PathBuf {
    let metadata = MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .other_options(["--offline".to_owned(), "--locked".to_owned()])
        .exec()
        .expect("cargo metadata");
    let package = metadata
        .packages
        .iter()
        .find(|package| package.name.as_str() == "http_desync_guardian")
        .expect("http_desync_guardian is a dev-dependency");
    let folder = package
        .manifest_path
        .parent()
        .expect("a manifest has a folder")
        .join("tests");
    assert!(folder.is_dir(), "the package has no folder {folder}");
    folder.into_std_path_buf()
}

fn cases() -> Vec<Case> {
    let mut files: Vec<PathBuf> = fs::read_dir(corpus())
        .expect("the corpus's folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    assert!(files.len() >= 9, "the corpus has only these files: {files:?}");
    files
        .iter()
        .flat_map(|file| {
            let text = fs::read_to_string(file).expect("a corpus file");
            let cases: Vec<Value> =
                serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            cases.into_iter().map(|case| read(&case)).collect::<Vec<_>>()
        })
        .collect()
}

fn read(case: &Value) -> Case {
    let mut request = [bytes(&case["method"]), b" ".to_vec(), bytes(&case["uri"])].concat();
    let version = bytes(&case["version"]);
    if !version.is_empty() {
        request.extend([b" ".as_slice(), &version].concat());
    }
    request.extend(b"\r\n");
    let fields = case["headers"].as_array().cloned().unwrap_or_default();
    for field in &fields {
        request.extend(
            [
                &bytes(&field["name"]),
                b": ".as_slice(),
                &bytes(&field["value"]),
                b"\r\n",
            ]
            .concat(),
        );
    }
    // The corpus is not about Host, and leaves it out.
    if !fields.iter().any(|field| field["name"].as_str() == Some("Host")) {
        request.extend(b"Host: localhost\r\n");
    }
    request.extend(b"\r\n");
    let is_chunked = |field: &Value| {
        bytes(&field["name"]).eq_ignore_ascii_case(b"transfer-encoding")
            && bytes(&field["value"]).to_ascii_lowercase().ends_with(b"chunked")
    };
    if fields.iter().any(is_chunked) {
        request.extend(b"0\r\n\r\n");
    }
    Case {
        name: case["name"].as_str().expect("a case has a name").to_owned(),
        tier: case["expected"]["tier"]
            .as_str()
            .expect("a case has a tier")
            .to_owned(),
        request,
    }
}

/// The text of a scalar. Plain ones may hold backslash escapes; characters up to U+00FF stand for bytes where the
/// text has no others.
fn bytes(value: &Value) -> Vec<u8> {
    let text = match value {
        Value::String(text) => unescape(text),
        Value::Number(number) => number.to_string(),
        other => panic!("{other} is no scalar"),
    };
    let bytes: Result<Vec<u8>, _> = text.chars().map(|c| u8::try_from(u32::from(c))).collect();
    bytes.unwrap_or_else(|_| text.into_bytes())
}

fn unescape(text: &str) -> String {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.push(match c {
            '\\' => match chars.next().expect("an escape is whole") {
                't' => '\t',
                'n' => '\n',
                'r' => '\r',
                other => other,
            },
            c => c,
        });
    }
    plain
}
