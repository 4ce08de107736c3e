//! Notices that files changed. Folders are watched and never single files: a watch on a file goes deaf when an
//! editor or a ConfigMap renames another over it, and such events do not even name the file. So no event is
//! looked at closely: after a quiet moment everything is read again and compared by content.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode};
use notify_debouncer_full::{DebounceEventResult, DebouncedEvent, Debouncer, NoCache, new_debouncer_opt};
use tokio::sync::Notify;

/// Files must be left alone this long before they are read: an editor saves in several steps.
const QUIET: Duration = Duration::from_millis(200);

/// The watch. It ends when it is dropped.
pub(crate) struct Watch {
    debouncer: Option<Debouncer<RecommendedWatcher, NoCache>>,
    /// Folders that should be watched.
    wanted: BTreeSet<PathBuf>,
    /// Those that are, each with what told it from another folder of that name.
    watched: BTreeMap<PathBuf, Option<Stamp>>,
}

impl Watch {
    /// Starts to watch nothing; `changed` is notified after a change and a quiet moment. Changes of `ours` (files
    /// that Murphy itself writes) are not noticed.
    pub(crate) fn start(changed: Arc<Notify>, ours: Vec<PathBuf>) -> Self {
        let on_events = move |result: DebounceEventResult| match result {
            Ok(events) if events.iter().any(|event| matters(event, &ours)) => changed.notify_one(),
            Ok(_) => {}
            // An overflow or a broken watch: what happened is unknown, so look.
            Err(errors) => {
                tracing::debug!(?errors, "the file watch reports errors");
                changed.notify_one();
            }
        };
        let made = new_debouncer_opt(QUIET, None, on_events, NoCache, notify::Config::default());
        Self {
            debouncer: made
                .map_err(|error| tracing::warn!(%error, "no file watch: files are polled instead"))
                .ok(),
            wanted: BTreeSet::new(),
            watched: BTreeMap::new(),
        }
    }

    /// Watches these folders and no others. To be called before each reading: a folder that was not there, or was
    /// replaced by another of its name (which ends the watch on it), is watched from then on.
    pub(crate) fn follow(&mut self, folders: BTreeSet<PathBuf>) {
        if let Some(debouncer) = &mut self.debouncer {
            self.watched.retain(|folder, stamp| {
                let stays = folders.contains(folder) && stamp.is_some() && *stamp == stamp_of(folder);
                if !stays {
                    let _gone = debouncer.unwatch(folder);
                }
                stays
            });
            for folder in &folders {
                if self.watched.contains_key(folder) {
                    continue;
                }
                match debouncer.watch(folder, RecursiveMode::NonRecursive) {
                    Ok(()) => drop(self.watched.insert(folder.clone(), stamp_of(folder))),
                    Err(error) => tracing::debug!(folder = %folder.display(), %error, "cannot be watched"),
                }
            }
        }
        self.wanted = folders;
    }

    /// Whether there is a folder whose changes are not noticed.
    pub(crate) fn is_blind(&self) -> bool {
        !self.wanted.iter().all(|folder| self.watched.contains_key(folder))
    }
}

/// Tells a folder from another that took its name.
type Stamp = (u64, u64);

#[cfg(unix)]
fn stamp_of(folder: &Path) -> Option<Stamp> {
    use std::os::unix::fs::MetadataExt as _;
    let found = std::fs::metadata(folder).ok()?;
    Some((found.dev(), found.ino()))
}

#[cfg(not(unix))]
fn stamp_of(folder: &Path) -> Option<Stamp> {
    let created = std::fs::metadata(folder).and_then(|found| found.created()).ok()?;
    let since = created.duration_since(std::time::SystemTime::UNIX_EPOCH).ok()?;
    Some((since.as_secs(), u64::from(since.subsec_nanos())))
}

/// Whether an event may mean that something must be read again. Reading files makes events too.
fn matters(event: &DebouncedEvent, ours: &[PathBuf]) -> bool {
    let only_read = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => false,
        EventKind::Access(_) => true,
        _ => false,
    };
    let is_ours = |path: &PathBuf| ours.iter().any(|own| belongs_to(path, own));
    !only_read && (event.paths.is_empty() || !event.paths.iter().all(is_ours))
}

/// Whether a path is a file of ours, a rotated one of it, or its temporary one.
fn belongs_to(path: &Path, own: &Path) -> bool {
    let names = (
        path.file_name().and_then(|name| name.to_str()),
        own.file_name().and_then(|name| name.to_str()),
    );
    let (Some(name), Some(own_name)) = names else {
        return false;
    };
    path.parent() == own.parent() && name.trim_start_matches('.').starts_with(own_name)
}

/// The folders in which configuration and scenarios really are, and those in which links to them are.
pub(crate) fn folders(config_file: Option<&Path>, scenarios: &Path) -> BTreeSet<PathBuf> {
    let mut folders = BTreeSet::new();
    let mut add = |folder: PathBuf| folders.insert(folder.canonicalize().unwrap_or(folder));
    if let Some(file) = config_file {
        add(parent_of(file));
        // A file that is a link has a second folder, in which it changes.
        if let Ok(real) = file.canonicalize() {
            add(parent_of(&real));
        }
    }
    if std::fs::symlink_metadata(scenarios).is_ok_and(|found| found.is_symlink()) {
        add(parent_of(scenarios));
    }
    add(scenarios.to_owned());
    folders
}

fn parent_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}
