//! Committed files that are generated and that no crate checks itself. `UPDATE_GENERATED=1` writes them.

use std::path::Path;

#[test]
fn the_committed_openapi_document_is_what_the_code_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    let text = serde_json::to_string_pretty(&murphy_control::openapi::document()).unwrap() + "\n";
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == text,
        "docs/openapi.json is out of date: run UPDATE_GENERATED=1 cargo test -p murphy-tests --test generated"
    );
}

/// One column for each dialect, one row for each failure: the status of an ordinary call.
fn failures() -> String {
    let cells: Vec<_> = murphy_dialects::coverage::failures().collect();
    let dialects = murphy_dialects::registry::NAMES;
    let mut table = format!("| failure | `{}` |\n", dialects.join("` | `"));
    table += &format!("| --- |{}\n", " --- |".repeat(dialects.len()));
    for kind in murphy_core::failure::FailureKind::ALL {
        let of_kind = cells.iter().filter(|cell| cell.kind == kind);
        let statuses: Vec<String> = of_kind.map(|cell| cell.status.to_string()).collect();
        table += &format!("| `{kind}` | {} |\n", statuses.join(" | "));
    }
    table
}

#[test]
fn the_table_of_failures_is_what_the_dialects_render() {
    const BEGIN: &str = "<!-- generated: failures -->\n";
    const END: &str = "<!-- /generated: failures -->";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/llm.md");
    let committed = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = committed.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let wanted = format!("{before}{BEGIN}{}{END}{after}", failures());
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    } else {
        assert!(
            committed == wanted,
            "docs/llm.md is out of date: run UPDATE_GENERATED=1 cargo test -p murphy-tests --test generated"
        );
    }
}
