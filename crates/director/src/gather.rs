//! Reading everything again: configuration and all scenarios as one set, all or nothing. Runs beside the loop,
//! on a thread that may block.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use murphy_core::draw::identity;
use murphy_core::problem::{Path as Place, Problem};

use crate::library::{self, Library, Source};
use crate::load::{self, Loaded, Sources};
use crate::names::closest;
use crate::view::Located;

/// All that is configured.
#[derive(Debug)]
pub(crate) struct Set {
    pub(crate) loaded: Loaded,
    pub(crate) library: Library,
}

impl Set {
    /// Whether two sets say the same.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        let same_entry =
            |(a, b): (&library::Entry, &library::Entry)| a.source == b.source && a.hash == b.hash;
        self.loaded.settings == other.loaded.settings
            && self.loaded.routes == other.loaded.routes
            && self.library.len() == other.library.len()
            && self.library.values().zip(other.library.values()).all(same_entry)
    }

    /// All files that scenarios read besides their own.
    fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = self
            .library
            .values()
            .flat_map(|entry| entry.files.iter().cloned())
            .collect();
        files.sort();
        files.dedup();
        files
    }
}

/// What was seen when everything was last read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Seen {
    fingerprint: u64,
    files: Vec<PathBuf>,
}

/// What reading everything gave.
#[derive(Debug)]
pub(crate) enum Gathered {
    /// Exactly what was seen before.
    Same,
    /// Something else, which is good or not.
    New {
        seen: Seen,
        set: Result<Box<Set>, Vec<Located>>,
    },
}

/// Reads everything. `before` is what was seen last: if it is still so, nothing is compiled.
pub(crate) fn gather(
    sources: &Sources,
    memory: &BTreeMap<String, Arc<str>>,
    before: Option<&Seen>,
) -> Gathered {
    let config_text = match &sources.config_file {
        Some(file) => match load::read(file) {
            Ok(text) => Some(text),
            Err(located) => return refused_early(vec![*located], before),
        },
        None => None,
    };
    let loaded = match load::of_text(sources, config_text.as_deref()) {
        Ok(loaded) => loaded,
        Err(problems) => return refused_early(problems, before),
    };
    let dir = loaded.settings.scenarios.dir.clone();
    let (texts, problems) = library::read_folder(&dir);
    let texts = overlay(texts, memory);
    let config = config_text.as_deref().unwrap_or_default();
    let is_same = |before: &Seen| before.fingerprint == fingerprint(config, &texts, &problems, &before.files);
    if before.is_some_and(is_same) {
        return Gathered::Same;
    }
    let prepared = library::prepare_all(texts.clone(), &dir, &loaded.routes);
    let set = match prepared {
        Ok(library) if problems.is_empty() => {
            unknown_starts(sources, config_text.as_deref(), &loaded, &library)
                .map(|()| Box::new(Set { loaded, library }))
        }
        Ok(_) => Err(problems.clone()),
        Err(more) => {
            let mut all = problems.clone();
            all.extend(more);
            Err(all)
        }
    };
    let files = set.as_ref().map(|set| set.files()).unwrap_or_default();
    let seen = Seen {
        fingerprint: fingerprint(config, &texts, &problems, &files),
        files,
    };
    Gathered::New { seen, set }
}

/// Scenarios that are to be switched on at the start must be there.
fn unknown_starts(
    sources: &Sources,
    config_text: Option<&str>,
    loaded: &Loaded,
    library: &Library,
) -> Result<(), Vec<Located>> {
    let active = &loaded.settings.scenarios.active;
    let base = Place::root().key("scenarios").key("active");
    let problems: Vec<Problem> = active
        .iter()
        .enumerate()
        .filter(|(_, start)| !library.contains_key(&start.name))
        .map(|(nth, start)| {
            let found = format!("unknown scenario {:?}", start.name);
            let wanted = format!("a scenario of {}", loaded.settings.scenarios.dir.display());
            let problem = Problem::new(base.index(nth), found, wanted);
            match closest(&start.name, library.keys().map(String::as_str)) {
                Some(meant) => problem.hint(format!("did you mean {meant:?}?")),
                None => problem,
            }
        })
        .collect();
    if problems.is_empty() {
        return Ok(());
    }
    Err(load::locate_all(sources, config_text, problems))
}

/// A configuration that is bad in itself: nothing else is looked at.
fn refused_early(problems: Vec<Located>, before: Option<&Seen>) -> Gathered {
    let seen = Seen {
        fingerprint: fingerprint("", &[], &problems, &[]),
        files: Vec::new(),
    };
    if before == Some(&seen) {
        return Gathered::Same;
    }
    Gathered::New {
        seen,
        set: Err(problems),
    }
}

/// The scenarios of the folder and those in memory, which win.
fn overlay(texts: Vec<Source>, memory: &BTreeMap<String, Arc<str>>) -> Vec<Source> {
    let mut all: BTreeMap<String, Source> = texts
        .into_iter()
        .map(|source| (source.name.clone(), source))
        .collect();
    for (name, text) in memory {
        let source = Source {
            name: name.clone(),
            text: Arc::clone(text),
            file: None,
        };
        all.insert(name.clone(), source);
    }
    all.into_values().collect()
}

/// A fingerprint of all that was read.
fn fingerprint(config: &str, texts: &[Source], problems: &[Located], files: &[PathBuf]) -> u64 {
    let mut parts = vec![identity(&[config.as_bytes()])];
    parts.extend(
        texts
            .iter()
            .map(|source| identity(&[source.name.as_bytes(), source.text.as_bytes()])),
    );
    parts.push(0); // a mark between the lists
    parts.extend(
        problems
            .iter()
            .map(|located| identity(&[located.to_string().as_bytes()])),
    );
    parts.extend(files.iter().map(|file| content(file)));
    let parts: Vec<[u8; 8]> = parts.into_iter().map(u64::to_le_bytes).collect();
    let parts: Vec<&[u8]> = parts.iter().map(<[u8; 8]>::as_slice).collect();
    identity(&parts)
}

fn content(file: &Path) -> u64 {
    load::read_bytes(file).map_or(0, |bytes| identity(&[&bytes]))
}
