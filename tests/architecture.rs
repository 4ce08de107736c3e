//! The invariants of the code base that no type can hold: arrows between crates, what each may use, sizes,
//! licences, banned and minimum versions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests fail loudly

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// Which of our crates each crate may use.
const ARROWS: &[(&str, &[&str])] = &[
    ("murphy-core", &[]),
    ("murphy-wire", &["core"]),
    ("murphy-dialects", &["core", "wire"]),
    ("murphy-faults", &["core"]),
    ("murphy-rules", &["core", "faults"]),
    ("murphy-observe", &["core"]),
    (
        "murphy-director",
        &["core", "dialects", "faults", "observe", "rules"],
    ),
    ("murphy-proxy", &["core", "dialects", "observe", "rules", "wire"]),
    ("murphy-control", &["core", "director", "observe", "rules"]),
    ("murphy-sim", &["core"]),
    ("murphy-testkit", &["core", "sim"]),
    (
        "murphy",
        &[
            "control", "core", "dialects", "director", "faults", "observe", "proxy", "rules", "sim", "wire",
        ],
    ),
    ("murphy-bench", &[]),
    ("murphy-soak", &[]),
    ("murphy-tests", &[]),
];

/// What a crate must never see, from outside.
const UNSEEN: &[(&str, &[&str])] = &[
    (
        "murphy-core",
        &["hyper", "axum", "notify", "toml", "serde-saphyr"],
    ),
    ("murphy-wire", &["tokio", "hyper", "rand"]),
    ("murphy-dialects", &["tokio", "hyper"]),
    ("murphy-faults", &["tokio", "hyper", "serde-saphyr"]),
    ("murphy-rules", &["tokio", "hyper", "serde-saphyr", "notify"]),
    ("murphy-observe", &["hyper", "axum"]),
    ("murphy-director", &["hyper", "axum"]),
    ("murphy-proxy", &["toml", "serde-saphyr", "config", "axum"]),
];

/// Crates that must not be anywhere in the tree, with the reason in `deny.toml`.
const BANNED: &[&str] = &[
    "openssl",
    "native-tls",
    "aws-lc-rs",
    "serde_yaml",
    "serde_yml",
    "rustls-pemfile",
];

/// Versions below these have known faults that matter to a proxy.
const MINIMA: &[(&str, (u64, u64, u64))] = &[
    ("hyper", (1, 11, 0)),
    ("h2", (0, 4, 17)),
    ("rustls", (0, 23, 18)),
    ("rustls-webpki", (0, 103, 13)),
    ("tracing-subscriber", (0, 3, 20)),
    ("bytes", (1, 11, 1)),
    ("tokio", (1, 44, 2)),
];

const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    "Apache-2.0 WITH LLVM-exception",
];

const FILE_LINES_MAX: usize = 500;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .other_options(vec!["--locked".to_owned()])
        .exec()
        .unwrap()
}

fn ours(metadata: &Metadata) -> Vec<&Package> {
    metadata.workspace_packages()
}

/// The names of a package's dependencies that are compiled into it.
fn uses(package: &Package) -> BTreeSet<&str> {
    package
        .dependencies
        .iter()
        .filter(|one| one.kind == DependencyKind::Normal)
        .map(|one| one.name.as_str())
        .collect()
}

#[test]
fn arrows_point_down() {
    let metadata = metadata();
    let allowed: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    for package in ours(&metadata) {
        let Some(may_use) = allowed.get(package.name.as_str()) else {
            panic!("{} has no line in ARROWS", package.name);
        };
        for used in uses(package)
            .iter()
            .filter_map(|name| name.strip_prefix("murphy-"))
        {
            assert!(
                may_use.contains(&used),
                "{} must not use murphy-{used}",
                package.name
            );
        }
    }
}

#[test]
fn no_crate_sees_what_it_must_not() {
    let metadata = metadata();
    for (name, unseen) in UNSEEN {
        let package = ours(&metadata)
            .into_iter()
            .find(|one| one.name.as_str() == *name)
            .unwrap();
        for banned in *unseen {
            assert!(!uses(package).contains(banned), "{name} must not see {banned}");
        }
    }
}

#[test]
fn nothing_banned_or_outdated_is_in_the_tree() {
    let metadata = metadata();
    for package in &metadata.packages {
        assert!(
            !BANNED.contains(&package.name.as_str()),
            "{} is banned: see deny.toml",
            package.name
        );
        for (name, minimum) in MINIMA.iter().filter(|(name, _)| *name == package.name.as_str()) {
            let version = &package.version;
            let found = (version.major, version.minor, version.patch);
            assert!(found >= *minimum, "{name} {version} is below {minimum:?}");
        }
    }
}

#[test]
fn every_licence_is_allowed() {
    for package in &metadata().packages {
        let licence = package
            .license
            .as_deref()
            .unwrap_or_else(|| panic!("{} names no licence", package.name));
        assert!(allows(licence), "{}: {licence}", package.name);
    }
}

/// Whether an SPDX expression can be satisfied: of alternatives one, of conjunctions all.
fn allows(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ").replace(['(', ')'], " ");
    if expression.contains(" AND ") {
        return expression.split(" AND ").all(allows);
    }
    expression.split(" OR ").any(|one| LICENCES.contains(&one.trim()))
}

#[test]
fn every_source_file_says_what_it_is_for_and_is_short() {
    let mut wrong = Vec::new();
    for file in sources(&root().join("crates")) {
        let text = fs::read_to_string(&file).unwrap();
        let shown = file.strip_prefix(root()).unwrap().display();
        if !text.starts_with("//!") && !text.starts_with("#!") {
            wrong.push(format!("{shown}: does not open with //!"));
        }
        let lines = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
        if lines > FILE_LINES_MAX && !is_test(&file) {
            wrong.push(format!("{shown}: {lines} lines, {FILE_LINES_MAX} at most"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn is_test(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name == "tests.rs")
        || file.components().any(|part| part.as_os_str() == "tests")
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn ready_scenarios_say_where_their_schema_is() {
    for entry in fs::read_dir(root().join("scenarios/faults")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("# yaml-language-server: $schema="),
            "{}",
            path.display()
        );
    }
}
