//! The log on disk: rotation, torn lines, full and hanging disks.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::mpsc::channel;

use super::*;
use crate::observer::tests::exchange;

const SOON: Duration = Duration::from_secs(20);

fn numbered(id: u64) -> Arc<Exchange> {
    Arc::new(Exchange { id, ..exchange("r") })
}

fn options(path: &Path, bytes_max: u64, files_max: usize) -> JsonlOptions {
    JsonlOptions {
        path: path.to_owned(),
        bytes_max,
        files_max,
    }
}

/// The ids of all lines that parse, and the number of those that do not.
fn read(path: &Path) -> (Vec<u64>, usize) {
    let text = fs::read_to_string(path).unwrap();
    let lines: Vec<Result<Exchange, _>> = text.lines().map(serde_json::from_str).collect();
    let torn = lines.iter().filter(|line| line.is_err()).count();
    (
        lines.into_iter().flatten().map(|exchange| exchange.id).collect(),
        torn,
    )
}

#[test]
fn every_exchange_is_one_line_that_reads_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let log = Jsonl::open(options(&path, 1 << 20, 2), Counter::default()).unwrap();
    let odd = Arc::new(Exchange {
        path: "/a\nb\u{1b}]0;x\u{7}\u{202e}".to_owned(),
        ..exchange("r")
    });
    log.append(Arc::clone(&odd));
    log.append(numbered(2));
    assert!(log.flush(SOON));
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 2);
    assert!(text.ends_with('\n') && !text.contains('\u{1b}'));
    assert_eq!(
        serde_json::from_str::<Exchange>(text.lines().next().unwrap()).unwrap(),
        *odd
    );
}

#[test]
fn files_are_rotated_by_size_and_the_oldest_goes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let line = serde_json::to_vec(&*numbered(1_000)).unwrap().len() as u64 + 1;
    let log = Jsonl::open(options(&path, 4 * line, 3), Counter::default()).unwrap();
    for id in 1_000..1_018 {
        log.append(numbered(id));
        assert!(log.flush(SOON));
    }
    let files: BTreeMap<String, (Vec<u64>, usize)> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            assert!(
                entry.metadata().unwrap().len() <= 4 * line,
                "{entry:?} is too large"
            );
            (entry.file_name().into_string().unwrap(), read(&entry.path()))
        })
        .collect();
    let wanted = [
        ("events.jsonl", 1_016..1_018),
        ("events.jsonl.1", 1_012..1_016),
        ("events.jsonl.2", 1_008..1_012),
    ];
    let wanted: BTreeMap<String, (Vec<u64>, usize)> = wanted
        .map(|(name, ids)| (name.to_owned(), (ids.collect(), 0)))
        .into();
    assert_eq!(files, wanted);
}

#[test]
fn one_file_alone_starts_over_and_a_long_line_is_still_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let log = Jsonl::open(options(&path, 10, 1), Counter::default()).unwrap();
    for id in 1..=3 {
        log.append(numbered(id));
    }
    assert!(log.flush(SOON));
    assert_eq!(read(&path), (vec![3], 0));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_torn_tail_costs_one_line_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let mut before: Vec<u8> = (1..=3)
        .flat_map(|id| {
            serde_json::to_vec(&*numbered(id))
                .into_iter()
                .chain([vec![b'\n']])
        })
        .flatten()
        .collect();
    before.truncate(before.len() - 40); // killed in the middle of the third line
    fs::write(&path, &before).unwrap();
    let log = Jsonl::open(options(&path, 1 << 20, 2), Counter::default()).unwrap();
    log.append(numbered(4));
    assert!(log.flush(SOON));
    assert_eq!(read(&path), (vec![1, 2, 4], 1));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_drops_and_counts() {
    let dropped = Counter::default();
    let full = options(Path::new("/dev/full"), 1 << 20, 2);
    let log = Jsonl::open(full, dropped.clone()).unwrap();
    (1..=5).for_each(|id| log.append(numbered(id)));
    assert!(log.flush(SOON));
    assert_eq!(dropped.get(), 5);
}

#[test]
fn a_disk_that_fails_for_a_while_costs_what_came_in_that_while() {
    let dropped = Counter::default();
    let mut answers = vec![Ok(()), Err(io::ErrorKind::StorageFull), Ok(())].into_iter();
    let (written, lines) = channel();
    let write = move |batch: &[u8]| {
        let answer = answers.next().unwrap();
        if answer.is_ok() {
            written.send(batch.to_vec()).unwrap();
        }
        answer.map_err(io::Error::from)
    };
    let log = Jsonl::spawn(write, 1, 8, dropped.clone()).unwrap();
    (1..=3).for_each(|id| log.append(numbered(id)));
    assert!(log.flush(SOON));
    let ids: Vec<u64> = lines
        .try_iter()
        .map(|line| serde_json::from_slice::<Exchange>(&line).unwrap().id)
        .collect();
    assert_eq!((ids, dropped.get()), (vec![1, 3], 1));
}

#[test]
fn a_hanging_disk_never_makes_the_data_path_wait() {
    let dropped = Counter::default();
    let (release, released) = channel::<()>();
    let (begun, has_begun) = channel();
    let write = move |_: &[u8]| {
        begun.send(()).ok();
        released.recv().ok(); // hangs until the test ends
        Ok(())
    };
    let log = Jsonl::spawn(write, 1, 4, dropped.clone()).unwrap();
    log.append(numbered(1));
    log.append(numbered(2)); // a batch of one byte at most: the first line is written when the second comes
    has_begun.recv().unwrap();
    (3..=12).for_each(|id| log.append(numbered(id)));
    assert!(
        !log.flush(Duration::ZERO),
        "a full queue cannot be flushed, and says so at once"
    );
    assert!(dropped.get() >= 6, "{} dropped", dropped.get());
    drop(release);
}

#[test]
fn a_path_that_cannot_be_written_is_an_error_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing/events.jsonl");
    assert!(Jsonl::open(options(&path, 1, 1), Counter::default()).is_err());
}
