//! All scenarios: read from the folder, parsed strictly, compiled against the routes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Component, Path as FilePath, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use murphy_core::draw::identity;
use murphy_core::problem::{Path, Problem};
use murphy_core::route::Route;
use murphy_rules::compile::{CompiledScenario, Context, compile};
use murphy_rules::scenario::Scenario;
use serde::Deserialize;

use crate::load::{read, read_bytes, shown};
use crate::parse;
use crate::report::Place;
use crate::view::{Located, Stored};
use crate::{locate, names, resolve};

/// The most scenarios.
pub(crate) const SCENARIOS_MAX: usize = 1_000;
/// All texts together have at most so many bytes.
pub(crate) const TEXT_BYTES_MAX: usize = 32 << 20;
/// The most problems that are told of one set.
const PROBLEMS_MAX: usize = 100;

/// A scenario's text and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    /// The scenario's name.
    pub(crate) name: String,
    /// Its text.
    pub(crate) text: Arc<str>,
    /// Its file; `None` if it is in memory only.
    pub(crate) file: Option<PathBuf>,
}

/// A scenario that can be switched on.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) source: Source,
    pub(crate) scenario: Arc<Scenario>,
    pub(crate) compiled: Arc<CompiledScenario>,
    /// Its catalogue data as it was written.
    pub(crate) catalog: Option<serde_json::Value>,
    /// Files that its rules read.
    pub(crate) files: Vec<PathBuf>,
    /// A fingerprint of its text and of the files that it read.
    pub(crate) hash: u64,
}

impl Entry {
    pub(crate) fn stored(&self) -> Stored {
        match self.source.file {
            Some(_) => Stored::File,
            None => Stored::Memory,
        }
    }
}

/// All scenarios by name.
pub(crate) type Library = BTreeMap<String, Entry>;

/// Reads the texts of a folder, sorted by name. A folder that is not there is empty.
pub(crate) fn read_folder(dir: &FilePath) -> (Vec<Source>, Vec<Located>) {
    let mut problems = Vec::new();
    let mut sources: BTreeMap<String, Source> = BTreeMap::new();
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return (Vec::new(), problems),
        Err(error) => {
            let problem = Problem::new(Path::root(), error, "a folder that can be read");
            return (Vec::new(), vec![Located::nowhere(&shown(dir), problem)]);
        }
    };
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|file| is_scenario_file(file))
        .collect();
    files.sort();
    if files.len() > SCENARIOS_MAX {
        let wanted = format!("at most {SCENARIOS_MAX} scenarios");
        let problem = Problem::new(Path::root(), format_args!("{} files", files.len()), wanted);
        return (Vec::new(), vec![Located::nowhere(&shown(dir), problem)]);
    }
    let mut bytes = 0;
    for file in files {
        let source = match read_source(dir, &file) {
            Ok(source) => source,
            Err(located) => {
                problems.push(*located);
                continue;
            }
        };
        bytes += source.text.len();
        if bytes > TEXT_BYTES_MAX {
            let wanted = format!("at most {TEXT_BYTES_MAX} bytes of scenarios in all");
            problems.push(Located::nowhere(
                &shown(dir),
                Problem::new(Path::root(), "more", wanted),
            ));
            break;
        }
        if let Some(earlier) = sources.get(&source.name) {
            let found = format!("a second file for scenario {:?}", source.name);
            let other = earlier.file.as_deref().map(shown).unwrap_or_default();
            let problem = Problem::new(Path::root(), found, format!("one file; {other} is there"));
            problems.push(Located::nowhere(&shown(&file), problem));
            continue;
        }
        sources.insert(source.name.clone(), source);
    }
    (sources.into_values().collect(), problems)
}

/// Hidden files (a ConfigMap's `..data`, an editor's swap file) and other kinds are no scenarios.
fn is_scenario_file(file: &FilePath) -> bool {
    let name = file
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    !name.starts_with('.') && (name.ends_with(".yaml") || name.ends_with(".yml"))
}

pub(crate) fn read_source(dir: &FilePath, file: &FilePath) -> Result<Source, Box<Located>> {
    let wrong = |problem| Box::new(Located::nowhere(&shown(file), problem));
    let name = file
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default();
    if !names::is_scenario_name(name) {
        let found = format!("a file named {name:?}");
        return Err(wrong(Problem::new(Path::root(), found, names::WANTED)));
    }
    let file_inside = inside(dir, file).map_err(wrong)?;
    let mut text = read(&file_inside).map_err(|mut located| {
        located.file = shown(file);
        located
    })?;
    if text.starts_with('\u{feff}') {
        text.remove(0); // some editors of Windows begin every file with it
    }
    Ok(Source {
        name: name.to_owned(),
        text: text.into(),
        file: Some(file.to_owned()),
    })
}

/// The real path of a file, which must lie below the folder's own and be a plain file. Links inside the folder
/// are fine: a ConfigMap consists of them.
fn inside(dir: &FilePath, file: &FilePath) -> Result<PathBuf, Problem> {
    let unreadable = |error: std::io::Error| Problem::new(Path::root(), error, "a file that can be read");
    let real_dir = dir.canonicalize().map_err(unreadable)?;
    let real = file.canonicalize().map_err(unreadable)?;
    if !real.starts_with(&real_dir) {
        return Err(Problem::new(
            Path::root(),
            "a link out of the folder",
            "a file in the folder",
        ));
    }
    if !real.is_file() {
        return Err(Problem::new(
            Path::root(),
            "something that is no file",
            "a plain file",
        ));
    }
    Ok(real)
}

/// Reads a file that a rule names, below the folder.
fn read_beside(dir: &FilePath, name: &str) -> Result<(PathBuf, Bytes), String> {
    let relative = FilePath::new(name);
    let plain = relative
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if name.is_empty() || !plain || name.contains('\\') {
        return Err(format!(
            "{name:?} is not the name of a file below the scenario folder"
        ));
    }
    let file = dir.join(relative);
    let real = inside(dir, &file).map_err(|problem| format!("{}: {}", shown(&file), problem.found))?;
    let bytes = read_bytes(&real).map_err(|problem| format!("{}: {}", shown(&file), problem.found))?;
    Ok((file, bytes.into()))
}

/// Makes one scenario ready.
///
/// # Errors
/// All its problems, each with its place.
pub(crate) fn prepare(source: Source, dir: &FilePath, routes: &[Arc<Route>]) -> Result<Entry, Vec<Located>> {
    let file = source
        .file
        .as_deref()
        .map_or_else(|| format!("scenario {}", source.name), shown);
    let scenario: Scenario = parse::yaml(&file, &source.text).map_err(|located| vec![*located])?;
    let files = RefCell::new(Vec::new());
    let parts = RefCell::new(vec![identity(&[source.text.as_bytes()])]);
    let read_file = |name: &str| {
        let (file, bytes) = read_beside(dir, name)?;
        files.borrow_mut().push(file);
        parts.borrow_mut().push(identity(&[name.as_bytes(), &bytes]));
        Ok(bytes)
    };
    let dialects = resolve::dialects();
    let context = Context {
        routes,
        dialects: &dialects,
        files: &read_file,
    };
    let compiled = compile(&source.name, &scenario, &context).map_err(|problems| {
        let located = |problem: Problem| {
            let place = locate::in_yaml(&source.text, &problem.path);
            let place = if place.line == 0 {
                Place { line: 1, column: 1 }
            } else {
                place
            };
            Located::at(&file, &source.text, place, problem)
        };
        problems
            .into_iter()
            .take(PROBLEMS_MAX)
            .map(located)
            .collect::<Vec<_>>()
    })?;
    let parts: Vec<[u8; 8]> = parts.into_inner().into_iter().map(u64::to_le_bytes).collect();
    let parts: Vec<&[u8]> = parts.iter().map(<[u8; 8]>::as_slice).collect();
    Ok(Entry {
        catalog: catalog_of(&source.text),
        scenario: Arc::new(scenario),
        compiled: Arc::new(compiled),
        files: files.into_inner(),
        hash: identity(&parts),
        source,
    })
}

/// The catalogue data as it was written, for people and for reports.
fn catalog_of(text: &str) -> Option<serde_json::Value> {
    #[derive(Deserialize)]
    struct Head {
        #[serde(default)]
        catalog: Option<serde_json::Value>,
    }
    parse::yaml::<Head>("", text).ok().and_then(|head| head.catalog)
}

/// Makes a whole set ready; all or nothing.
///
/// # Errors
/// The problems of all of them (at most [`PROBLEMS_MAX`]).
pub(crate) fn prepare_all(
    sources: Vec<Source>,
    dir: &FilePath,
    routes: &[Arc<Route>],
) -> Result<Library, Vec<Located>> {
    let mut library = Library::new();
    let mut problems = Vec::new();
    for source in sources {
        match prepare(source, dir, routes) {
            Ok(entry) => {
                library.insert(entry.source.name.clone(), entry);
            }
            Err(more) => problems.extend(more),
        }
    }
    problems.truncate(PROBLEMS_MAX);
    if problems.is_empty() {
        Ok(library)
    } else {
        Err(problems)
    }
}

#[cfg(test)]
mod tests;
