//! A file of whole lines that is set aside when it is full.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use super::JsonlOptions;

/// The file that is written, and its size.
#[derive(Debug)]
pub(crate) struct Rotating {
    options: JsonlOptions,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    bytes: u64,
    /// The last line has no end: the process died, or the disk failed, while it was written.
    torn: bool,
}

impl Rotating {
    /// Opens the file, to append to what is there.
    ///
    /// # Errors
    /// If it cannot be opened or read.
    pub(crate) fn open(options: JsonlOptions) -> io::Result<Self> {
        let open = Some(Open::append(&options.path)?);
        Ok(Self { options, open })
    }

    /// Writes whole lines, into a fresh file if they do not fit into this one. On an error none of them is in
    /// the file (or the torn rest is closed by the next write).
    ///
    /// # Errors
    /// If the disk says so. The next call tries again from the start.
    pub(crate) fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let incoming = lines.len() as u64;
        let full = self
            .open
            .as_ref()
            .is_some_and(|open| open.bytes > 0 && open.bytes + incoming > self.options.bytes_max);
        if full {
            self.open = None;
            self.rotate()?;
        }
        let open = match &mut self.open {
            Some(open) => open,
            None => self.open.insert(Open::append(&self.options.path)?),
        };
        open.write(lines)
    }

    /// Renames `path` to `path.1`, `path.1` to `path.2` and so on; the oldest goes.
    fn rotate(&self) -> io::Result<()> {
        let older = self.options.files_max.saturating_sub(1);
        if older == 0 {
            return remove(&self.options.path);
        }
        remove(&self.numbered(older))?;
        for number in (1..=older).rev() {
            match fs::rename(self.numbered(number - 1), self.numbered(number)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn numbered(&self, number: usize) -> PathBuf {
        let mut name = self.options.path.clone().into_os_string();
        if number > 0 {
            name.push(format!(".{number}"));
        }
        name.into()
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl Open {
    fn append(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .open(path)?;
        let bytes = file.metadata()?.len();
        let mut last = [b'\n'];
        if bytes > 0 {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
        }
        Ok(Self {
            file,
            bytes,
            torn: last != [b'\n'],
        })
    }

    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.torn {
            self.file.write_all(b"\n")?;
            self.bytes += 1;
            self.torn = false;
        }
        let written = self.file.write_all(lines);
        if written.is_ok() {
            self.bytes += lines.len() as u64;
        } else {
            // Part of a line may be there: take it back, or close it before the next one.
            self.torn = self.file.set_len(self.bytes).is_err();
        }
        written
    }
}
