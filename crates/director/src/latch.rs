//! The latch: a small file in which a trip or a lock survives a restart, even one by `kill -9`.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use crate::kill_switch::KillSwitch;
use crate::load::read_bytes;
use crate::view::{Trigger, TripView};

/// Writes a file so that a reader, or a crash, sees all of it or what was there before.
///
/// # Errors
/// If the folder cannot be written.
pub(crate) fn write_atomically(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = folder_of(file);
    let name = file
        .file_name()
        .ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "not a file's name"))?;
    // The dot keeps it out of what is read as a scenario; the process, apart from another Murphy's.
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}.tmp", std::process::id()));
    let temporary = folder.join(temporary);
    let written = write_and_sync(&temporary, bytes).and_then(|()| std::fs::rename(&temporary, file));
    if written.is_err() {
        let _removed = std::fs::remove_file(&temporary);
    }
    written?;
    // The rename itself must reach the disk too. Folders cannot be opened everywhere; then it is left out.
    match File::open(folder) {
        Ok(folder) => folder.sync_all(),
        Err(_) => Ok(()),
    }
}

fn write_and_sync(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(file)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Keeps the state.
///
/// # Errors
/// If the file cannot be written.
pub fn save(file: &Path, switch: &KillSwitch) -> io::Result<()> {
    let text = serde_json::to_vec_pretty(switch).map_err(io::Error::other)?;
    write_atomically(file, &text)
}

/// Reads the state. No file is an armed switch. A file that cannot be read or understood is a tripped one:
/// what may have been a trip must not be forgotten.
#[must_use]
pub fn restore(file: &Path, now: &str) -> KillSwitch {
    match std::fs::symlink_metadata(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => return KillSwitch::default(),
        _ => {}
    }
    let read = read_bytes(file)
        .map_err(|problem| problem.found)
        .and_then(|bytes| {
            // By way of an object: serde would take a list for a struct as well.
            let object: serde_json::Map<_, _> =
                serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
            serde_json::from_value(object.into()).map_err(|error| error.to_string())
        });
    read.unwrap_or_else(|error: String| KillSwitch {
        trip: Some(TripView {
            trigger: Trigger::Internal,
            reason: format!("the state file {} cannot be read: {error}", file.display()),
            who: "director".to_owned(),
            at: now.to_owned(),
            halted: Vec::new(),
            measured: None,
        }),
        ..KillSwitch::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kill_switch::{Input, Said};
    use crate::view::SwitchState;
    use murphy_core::clock::Offset;

    #[test]
    fn a_trip_and_a_lock_survive() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state.json");
        assert_eq!(restore(&file, "now").state(), SwitchState::Armed);
        let said = Said {
            who: "a".into(),
            reason: "b".into(),
            at: "c".into(),
        };
        let (locked, _) = KillSwitch::default().next(Input::Lock(said), Offset::default());
        save(&file, &locked).unwrap();
        assert_eq!(restore(&file, "now"), locked);
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            1,
            "a temporary file is left"
        );
    }

    #[test]
    fn what_cannot_be_understood_is_a_trip() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state.json");
        for text in ["", "{", "[]", "{\"trip\":3}", "{\"tripped\":false}"] {
            std::fs::write(&file, text).unwrap();
            let restored = restore(&file, "now");
            assert_eq!(restored.state(), SwitchState::Tripped, "{text:?}");
            assert_eq!(restored.trip.unwrap().trigger, Trigger::Internal);
        }
        assert_eq!(
            restore(folder.path(), "now").state(),
            SwitchState::Tripped,
            "a folder"
        );
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(save(&folder.path().join("no/state.json"), &KillSwitch::default()).is_err());
    }
}
