//! `docs/faults.md` is what the catalogue renders. `UPDATE_GENERATED=1` writes it.

use std::path::Path;

#[test]
fn the_documentation_of_the_faults_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/faults.md");
    let rendered = murphy_faults::catalogue::markdown();
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&path, &rendered).expect("docs/faults.md can be written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == rendered,
        "docs/faults.md is out of date: run UPDATE_GENERATED=1 cargo test -p murphy-faults"
    );
}
