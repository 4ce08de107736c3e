//! `docs/sdk-matrix.json`: what was seen of each fault by each SDK, without what changes from run to run; and
//! `docs/sdk-matrix.md`, made of it. `UPDATE_GENERATED=1` writes both.

use std::fmt::Write as _;
use std::path::PathBuf;

use murphy_core::failure::FailureKind;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::expected::{Expected, Language, Sdk};
use super::harness::{Seen, repository};

/// The file.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Matrix {
    sdks: Vec<Column>,
    failures: Vec<Cell>,
}

/// An SDK of the matrix.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Column {
    id: String,
    title: String,
    language: String,
    package: String,
    version: String,
    dialect: String,
    /// Calls of one operation that fails in a way that it retries.
    calls: usize,
    /// Whether it retries only if it is asked to.
    asked: bool,
    /// What tells it how long to wait; none if it does not retry.
    listens: Option<String>,
}

/// What the application sees of one failure.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cell {
    fault: String,
    sdk: String,
    raises: Option<String>,
    status: Option<u16>,
    code: Option<String>,
    /// Whether the error has the request id.
    request_id: bool,
    /// How often the SDK called.
    calls: usize,
}

impl Cell {
    pub(super) fn of(sdk: &Sdk, kind: FailureKind, seen: &Seen, calls: usize) -> Self {
        Self {
            fault: kind.name().to_owned(),
            sdk: sdk.id.clone(),
            raises: seen.raises.clone(),
            status: seen.status,
            code: seen.code.clone(),
            request_id: seen.request_id.is_some(),
            calls,
        }
    }

    fn text(&self) -> String {
        let mut parts = vec![format!("`{}`", self.raises.as_deref().unwrap_or("nothing"))];
        parts.extend(self.status.map(|status| status.to_string()));
        parts.extend(self.code.as_ref().map(|code| format!("`{code}`")));
        if self.request_id {
            parts.push("id".to_owned());
        }
        if self.calls > 1 {
            parts.push(format!("{} calls", self.calls));
        }
        parts.join(", ")
    }
}

impl Column {
    fn of(sdk: &Sdk) -> Self {
        let retries = sdk.retries.as_ref();
        let language = match sdk.language {
            Language::Python => "Python",
            Language::Node => "Node",
        };
        Self {
            id: sdk.id.clone(),
            title: sdk.title.clone(),
            language: language.to_owned(),
            package: sdk.package.clone(),
            version: version(sdk),
            dialect: sdk.dialect.clone(),
            calls: retries.map_or(1, |retries| retries.calls),
            asked: retries.is_some_and(|retries| retries.asked),
            listens: retries.map(|retries| retries.listens.clone()),
        }
    }
}

/// The version that is pinned.
fn version(sdk: &Sdk) -> String {
    let read = |name| std::fs::read_to_string(repository().join("tests/sdk").join(name)).expect("a file");
    let found = match sdk.language {
        Language::Python => read("requirements.txt")
            .lines()
            .find_map(|line| line.strip_prefix(&sdk.package)?.strip_prefix("=="))
            .map(str::to_owned),
        Language::Node => {
            let package: Value = serde_json::from_str(&read("package.json")).expect("JSON");
            package["dependencies"][&sdk.package].as_str().map(str::to_owned)
        }
    };
    found.unwrap_or_else(|| panic!("{} is not pinned", sdk.package))
}

fn json_file() -> PathBuf {
    repository().join("docs/sdk-matrix.json")
}

fn document_file() -> PathBuf {
    repository().join("docs/sdk-matrix.md")
}

fn update() -> bool {
    std::env::var_os("UPDATE_GENERATED").is_some()
}

/// One line for each object, so that a change of it is a line of a diff.
fn json_text(matrix: &Matrix) -> String {
    let line = |value: Value| format!("    {value}");
    let sdks: Vec<_> = matrix
        .sdks
        .iter()
        .map(|one| line(serde_json::json!(one)))
        .collect();
    let failures: Vec<_> = matrix
        .failures
        .iter()
        .map(|one| line(serde_json::json!(one)))
        .collect();
    format!(
        "{{\n  \"sdks\": [\n{}\n  ],\n  \"failures\": [\n{}\n  ]\n}}\n",
        sdks.join(",\n"),
        failures.join(",\n")
    )
}

/// Compares what was seen with the committed file, or writes it and the document.
pub(super) fn compare_json(expected: &Expected, cells: Vec<Cell>) {
    let columns: Vec<Column> = expected.sdks.iter().map(Column::of).collect();
    let matrix = Matrix {
        sdks: columns,
        failures: cells,
    };
    let text = json_text(&matrix);
    if update() {
        std::fs::write(json_file(), &text).expect("a file");
        std::fs::write(document_file(), document(&matrix)).expect("a file");
    }
    let committed = std::fs::read_to_string(json_file()).unwrap_or_default();
    assert!(committed == text, "docs/sdk-matrix.json {OUT_OF_DATE}");
}

const OUT_OF_DATE: &str =
    "is out of date: run UPDATE_GENERATED=1 cargo test -p murphy-tests --test e2e llm::";

const BEGINNING: &str = "\
<!-- Made from docs/sdk-matrix.json by `UPDATE_GENERATED=1 cargo test -p murphy-tests --test e2e llm::`. Do not edit. -->

# What SDKs make of failures

Each cell was seen: the official SDK, in this version, called through Murphy with a rule that had this fault under
`error`, before a simulated API. It says what the SDK raises, then the status, the code and whether the request id
is there (`id`) as the error itself exposes them, then how often the SDK called in all, if more than once. The
tests fail if any of it changes. The same as data: [`sdk-matrix.json`](sdk-matrix.json).
";

fn document(matrix: &Matrix) -> String {
    let mut text = BEGINNING.to_owned();
    text += "\n## SDKs\n\n*Calls* is how often one operation is tried when it fails in a way that the SDK retries, in the SDK's own default \
             unless it says that it was asked to. *Listens to* is what tells it how long to wait before it calls again.\n\n\
             | SDK | version | language | API | calls | listens to |\n| --- | --- | --- | --- | --- | --- |\n";
    for sdk in &matrix.sdks {
        let calls = match (sdk.calls, sdk.asked) {
            (1, _) => "1, no retries by default".to_owned(),
            (calls, true) => format!("{calls}, when asked to retry"),
            (calls, false) => calls.to_string(),
        };
        let waits = sdk.listens.as_deref().unwrap_or("–");
        writeln!(
            text,
            "| {} | {} | {} | {} | {calls} | {waits} |",
            sdk.title, sdk.version, sdk.language, sdk.dialect
        )
        .expect("a string");
    }
    let mut done = Vec::new();
    for dialect in matrix.sdks.iter().map(|sdk| sdk.dialect.as_str()) {
        if !done.contains(&dialect) {
            done.push(dialect);
            text += &table(matrix, dialect);
        }
    }
    text
}

/// The SDKs of one API: a row for each failure.
fn table(matrix: &Matrix, dialect: &str) -> String {
    let sdks: Vec<&Column> = matrix.sdks.iter().filter(|sdk| sdk.dialect == dialect).collect();
    let heads: Vec<_> = sdks
        .iter()
        .map(|sdk| format!("{} ({})", sdk.title, sdk.language))
        .collect();
    let mut text = format!(
        "\n## `{dialect}`\n\n| failure | {} |\n| --- |{}\n",
        heads.join(" | "),
        " --- |".repeat(heads.len())
    );
    for kind in FailureKind::ALL {
        let cell = |sdk: &&Column| {
            let found = matrix.failures.iter();
            let found = found
                .filter(|cell| cell.sdk == sdk.id)
                .find(|cell| cell.fault == kind.name());
            found.map_or_else(|| "–".to_owned(), Cell::text)
        };
        let row: Vec<_> = sdks.iter().map(cell).collect();
        writeln!(text, "| `{kind}` | {} |", row.join(" | ")).expect("a string");
    }
    text
}

#[test]
fn the_matrix_document_is_made_of_the_data() {
    let data = std::fs::read_to_string(json_file()).unwrap_or_default();
    let matrix: Matrix = serde_json::from_str(&data).expect("docs/sdk-matrix.json");
    assert_eq!(
        json_text(&matrix),
        data,
        "docs/sdk-matrix.json was edited by hand"
    );
    let text = document(&matrix);
    if update() {
        std::fs::write(document_file(), &text).expect("a file");
    }
    let committed = std::fs::read_to_string(document_file()).unwrap_or_default();
    assert!(committed == text, "docs/sdk-matrix.md {OUT_OF_DATE}");
}

#[test]
fn the_matrix_has_a_cell_for_every_failure_and_every_sdk() {
    let expected = Expected::read();
    let data = std::fs::read_to_string(json_file()).unwrap_or_default();
    let matrix: Matrix = serde_json::from_str(&data).expect("docs/sdk-matrix.json");
    let columns: Vec<Column> = expected.sdks.iter().map(Column::of).collect();
    assert_eq!(matrix.sdks, columns, "docs/sdk-matrix.json {OUT_OF_DATE}");
    for sdk in &expected.sdks {
        for kind in FailureKind::ALL {
            let sight = expected.sight(sdk, kind.name());
            let mut cells = matrix.failures.iter().filter(|cell| cell.sdk == sdk.id);
            let cell = cells.find(|cell| cell.fault == kind.name());
            let seen = cell.map(|cell| (cell.raises.as_deref(), cell.status, &cell.code));
            let wanted = (Some(sight.raises.as_str()), Some(sight.status), &sight.code);
            assert_eq!(seen, Some(wanted), "{} {kind}", sdk.id);
        }
    }
}
