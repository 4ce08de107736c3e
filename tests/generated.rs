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
