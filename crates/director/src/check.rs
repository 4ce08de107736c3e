//! `murphy check`: validates configuration and scenario files without a daemon.

use std::path::{Path as FilePath, PathBuf};

use murphy_core::problem::{Path, Problem};

use crate::library;
use crate::load::{Loaded, Sources, load, shown};
use crate::view::Located;

/// What was checked and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checked {
    /// The files that were looked at.
    pub files: Vec<PathBuf>,
    /// What is wrong.
    pub problems: Vec<Located>,
    /// What is odd and not wrong.
    pub warnings: Vec<String>,
}

/// Checks files and folders. A `.toml` is a configuration (the scenarios of its folder setting are checked with
/// it), a `.yaml` or `.yml` a scenario; of a folder everything directly in it. Scenarios are checked against the
/// routes of the first configuration among `paths`, else of the one that `sources` names, else the built-in ones.
#[must_use]
pub fn check(paths: &[PathBuf], sources: &Sources) -> Checked {
    let mut checked = Checked::default();
    let (configs, mut scenarios) = sort_out(paths, &mut checked.problems);
    let mut against: Option<Loaded> = None;
    let mut load_into = |checked: &mut Checked, sources: &Sources| match load(sources) {
        Ok(loaded) => {
            checked.warnings.extend(loaded.warnings.clone());
            let dir = loaded.settings.scenarios.dir.clone();
            against.get_or_insert(loaded);
            Some(dir)
        }
        Err(problems) => {
            checked.problems.extend(problems);
            None
        }
    };
    for config in &configs {
        let sources = Sources {
            config_file: Some(config.clone()),
            ..sources.clone()
        };
        checked.files.push(config.clone());
        let dir = load_into(&mut checked, &sources);
        scenarios.extend(dir.map(|dir| list(&dir)).unwrap_or_default());
    }
    if configs.is_empty() {
        let _dir = load_into(&mut checked, sources);
    }
    scenarios.retain(|file| has_ending(file, &YAML));
    scenarios.sort();
    scenarios.dedup();
    let Some(against) = against else {
        return checked;
    };
    for file in scenarios {
        let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty());
        let dir = dir.unwrap_or(FilePath::new("."));
        let prepared = library::read_source(dir, &file)
            .map_err(|located| vec![*located])
            .and_then(|source| library::prepare(source, dir, &against.routes));
        checked.problems.extend(prepared.err().into_iter().flatten());
        checked.files.push(file);
    }
    checked
}

const YAML: [&str; 2] = ["yaml", "yml"];

/// The configurations and the scenarios among paths. What is named and is neither is a problem.
fn sort_out(paths: &[PathBuf], problems: &mut Vec<Located>) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let (mut configs, mut scenarios) = (Vec::new(), Vec::new());
    for path in paths {
        let is_folder = path.is_dir();
        let found = if is_folder { list(path) } else { vec![path.clone()] };
        for file in found {
            if has_ending(&file, &["toml"]) {
                configs.push(file);
            } else if has_ending(&file, &YAML) {
                scenarios.push(file);
            } else if !is_folder {
                problems.push(strange(&file));
            }
        }
    }
    (configs, scenarios)
}

fn list(dir: &FilePath) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_file() && !is_hidden(path))
        .collect();
    files.sort();
    files
}

fn is_hidden(path: &FilePath) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

fn has_ending(path: &FilePath, endings: &[&str]) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| endings.contains(&ending))
}

fn strange(file: &FilePath) -> Located {
    let found = if file.exists() {
        "another kind of file"
    } else {
        "nothing"
    };
    Located::nowhere(
        &shown(file),
        Problem::new(Path::root(), found, "a folder, a .toml, or a .yaml"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "rules:\n  - name: a\n    fault: { status: 503 }\n";

    #[test]
    fn folders_files_and_what_configuration_names_are_checked() {
        let folder = tempfile::tempdir().unwrap();
        let scenarios = folder.path().join("scenarios");
        std::fs::create_dir(&scenarios).unwrap();
        std::fs::write(scenarios.join("good.yaml"), GOOD).unwrap();
        std::fs::write(
            scenarios.join("bad.yaml"),
            GOOD.replace("status: 503", "statis: 503"),
        )
        .unwrap();
        std::fs::write(scenarios.join("notes.md"), "no scenario").unwrap();
        let config = folder.path().join("murphy.toml");
        std::fs::write(&config, format!("[scenarios]\ndir = {scenarios:?}\n")).unwrap();

        let by_folder = check(std::slice::from_ref(&scenarios), &Sources::default());
        assert_eq!((by_folder.files.len(), by_folder.problems.len()), (2, 1));
        let by_config = check(&[config], &Sources::default());
        assert_eq!((by_config.files.len(), by_config.problems.len()), (3, 1));
        let text = by_config.problems[0].to_string();
        assert!(
            text.contains("bad.yaml:3:14: ") && text.contains("did you mean \"status\"?"),
            "{text}"
        );
        assert!(
            text.contains("\n 3 |     fault: { statis: 503 }\n   |              ^"),
            "{text}"
        );
        let by_file = check(&[scenarios.join("good.yaml")], &Sources::default());
        assert_eq!(by_file.problems, []);
        for path in ["nowhere.yaml", "nowhere", "notes.md"] {
            assert_eq!(
                check(&[scenarios.join(path)], &Sources::default()).problems.len(),
                1,
                "{path}"
            );
        }
    }
}
