//! Chunks of a response that lie ready are made one.
//!
//! A stream of events comes as one small chunk for each event. Whoever takes such a stream apart and puts it
//! together again pays for every chunk, although many of them came with one read. How a body is cut into chunks
//! means nothing (RFC 9112 §7.1: "the chunk sizes carry no semantics"), so what one read brought is written again
//! as a single chunk. Nothing is kept back but the beginning of a chunk's size line, so no byte of data waits for
//! another.
//!
//! It errs on the side of leaving bytes alone: a head that is not plain, an extension, a trailer, a size that
//! nobody should write, and everything after it passes as it came, for the real parser to judge.

use std::ops::Range;

/// The longest head that is looked at, in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// What no reader takes for a chunk's size.
const NO_SIZE: &[u8] = b"!";
/// The longest size line that is merged: eight digits and a CRLF.
const LINE_BYTES_MAX: usize = 10;

/// Follows the bytes of one connection's responses.
#[derive(Debug, Default)]
pub struct ChunkMerger {
    state: State,
    /// A head that came in several reads.
    head: Vec<u8>,
    /// The answer is to a request that has an answer without content whatever its head says.
    to_head: bool,
    /// The beginning of a size line, or of the CRLF behind a chunk.
    held: Vec<u8>,
    /// Where the data lies in what came last.
    data: Vec<Range<usize>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// Everything passes as it comes.
    #[default]
    Raw,
    Head,
    Size,
    /// A chunk's data, of which so many bytes are left.
    Data(usize),
    DataEnd,
}

/// What stands at the place where a chunk begins.
enum Line {
    More,
    /// It has this many bytes, and announces this many.
    Size(usize, usize),
    Other,
}

impl ChunkMerger {
    /// A new response is waited for. `to_head`: the request was HEAD.
    pub fn begin(&mut self, to_head: bool) {
        self.state = State::Head;
        self.to_head = to_head;
        self.head.clear();
        self.held.clear();
    }

    /// Whether bytes must be given to [`Self::merge`] before they may be passed on.
    #[must_use]
    pub fn is_merging(&self) -> bool {
        matches!(self.state, State::Size | State::Data(_) | State::DataEnd)
    }

    /// Looks at bytes that pass as they are, as long as nothing is to be merged. Returns how many of them do: what
    /// is behind is for [`Self::merge`].
    pub fn look(&mut self, bytes: &[u8]) -> usize {
        let mut from = 0;
        while self.state == State::Head && from < bytes.len() {
            from += self.look_at_head(bytes.get(from..).unwrap_or_default());
        }
        if self.is_merging() { from } else { bytes.len() }
    }

    /// Takes bytes of a body, and hands on in pieces what a reader should see in their place.
    pub fn merge(&mut self, bytes: &[u8], mut hand_on: impl FnMut(&[u8])) {
        let whole;
        let bytes = if self.held.is_empty() {
            bytes
        } else {
            let mut held = std::mem::take(&mut self.held);
            held.extend_from_slice(bytes);
            whole = held;
            &whole
        };
        let (rest, broken_end) = self.find_data(bytes);
        let total: usize = self.data.iter().map(Range::len).sum();
        if total > 0 {
            hand_on(format!("{total:x}\r\n").as_bytes());
            for range in self.data.drain(..) {
                hand_on(bytes.get(range).unwrap_or_default());
            }
        }
        // What stands in the place of a chunk's end must not be taken for the next chunk: a reader has to fail
        // there, as it would have.
        match (total > 0, broken_end) {
            (true, false) => hand_on(b"\r\n"),
            (false, true) => hand_on(NO_SIZE),
            (true, true) | (false, false) => {}
        }
        let rest = bytes.get(rest..).unwrap_or_default();
        if self.state == State::Raw {
            hand_on(rest);
        } else {
            self.held.extend_from_slice(rest);
        }
    }

    /// No more bytes come: gives back what was held.
    #[must_use]
    pub fn end(&mut self) -> Vec<u8> {
        self.state = State::Raw;
        std::mem::take(&mut self.held)
    }

    /// Finds the data in `bytes`; returns where what is not understood, or not complete, begins, and whether it
    /// stands in the place of a chunk's end.
    fn find_data(&mut self, bytes: &[u8]) -> (usize, bool) {
        let mut at = 0;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            if rest.is_empty() {
                return (at, false);
            }
            match self.state {
                State::Raw | State::Head => return (at, false),
                State::Size => match size_line(rest) {
                    Line::More => return (at, false),
                    Line::Size(line, size) => {
                        at += line;
                        self.state = State::Data(size);
                    }
                    Line::Other => {
                        self.state = State::Raw;
                        return (at, false);
                    }
                },
                State::Data(left) => {
                    let there = left.min(rest.len());
                    self.data.push(at..at + there);
                    at += there;
                    self.state = match left - there {
                        0 => State::DataEnd,
                        left => State::Data(left),
                    };
                }
                State::DataEnd => match rest {
                    [b'\r', b'\n', ..] => {
                        at += 2;
                        self.state = State::Size;
                    }
                    [b'\r'] => return (at, false),
                    _ => {
                        self.state = State::Raw;
                        return (at, true);
                    }
                },
            }
        }
    }

    /// Reads on in a head; returns how many bytes belong to it.
    fn look_at_head(&mut self, bytes: &[u8]) -> usize {
        if self.head.is_empty()
            && let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n")
        {
            self.state = self.after(bytes.get(..end).unwrap_or_default());
            return end + 4;
        }
        let before = self.head.len();
        self.head.extend_from_slice(bytes);
        let from = before.saturating_sub(3);
        let unseen = self.head.get(from..).unwrap_or_default();
        match memchr::memmem::find(unseen, b"\r\n\r\n") {
            Some(found) => {
                let head = std::mem::take(&mut self.head);
                self.state = self.after(head.get(..from + found).unwrap_or_default());
                from + found + 4 - before
            }
            None => {
                if self.head.len() > HEAD_BYTES_MAX {
                    self.state = State::Raw;
                    self.head = Vec::new();
                }
                bytes.len()
            }
        }
    }

    /// What follows a head (given without the empty line).
    fn after(&self, head: &[u8]) -> State {
        let status = match head {
            [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1', b' ', status @ ..] => status.get(..3),
            _ => None,
        };
        match status {
            Some(b"101" | b"204" | b"304") | None => State::Raw,
            Some([b'1', ..]) => State::Head,
            Some(_) if self.to_head || !is_plainly_chunked(head) => State::Raw,
            Some(_) => State::Size,
        }
    }
}

/// Whether a head says `chunked`, once, and nothing that could make that mean something else.
fn is_plainly_chunked(head: &[u8]) -> bool {
    // The quick look for the usual answer, which has a length.
    if memchr::memmem::find(head, b"hunked").is_none() {
        return false;
    }
    let mut chunked = false;
    let mut from = 0;
    loop {
        let rest = head.get(from..).unwrap_or_default();
        let (line, next) = match memchr::memchr(b'\n', rest) {
            Some(end) => (rest.get(..end).unwrap_or_default(), Some(from + end + 1)),
            None => (rest, None),
        };
        let line = match next {
            None => line,
            Some(_) => match line.strip_suffix(b"\r") {
                Some(line) => line,
                None => return false, // a bare line feed
            },
        };
        let name_end = line.iter().position(|byte| *byte == b':').unwrap_or(0);
        let (name, value) = line.split_at(name_end);
        if matches!(line.first(), Some(b' ' | b'\t')) || name.eq_ignore_ascii_case(b"content-length") {
            return false;
        }
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            let value = value.get(1..).unwrap_or_default().trim_ascii();
            if chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return false;
            }
            chunked = true;
        }
        match next {
            Some(next) => from = next,
            None => return chunked,
        }
    }
}

/// Reads a size line that is nothing but digits. The last chunk (0) is left to the real parser.
fn size_line(bytes: &[u8]) -> Line {
    let mut size = 0_usize;
    for (index, byte) in bytes.iter().take(LINE_BYTES_MAX).enumerate() {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            b'\r' if index > 0 && size > 0 => {
                return match bytes.get(index + 1) {
                    Some(b'\n') => Line::Size(index + 2, size),
                    Some(_) => Line::Other,
                    None => Line::More,
                };
            }
            _ => return Line::Other,
        };
        if index == LINE_BYTES_MAX - 2 {
            return Line::Other;
        }
        size = (size << 4) | usize::from(digit);
    }
    Line::More
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEAD: &[u8] =
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

    /// What a reader sees of `bytes`, given in pieces that end at `cuts`.
    fn seen(bytes: &[u8], cuts: &[usize], to_head: bool) -> Vec<u8> {
        let mut merger = ChunkMerger::default();
        merger.begin(to_head);
        let mut out = Vec::new();
        let mut from = 0;
        for cut in cuts.iter().copied().chain([bytes.len()]) {
            let piece = &bytes[from..cut];
            let passed = if merger.is_merging() {
                0
            } else {
                merger.look(piece)
            };
            out.extend_from_slice(&piece[..passed]);
            if merger.is_merging() {
                merger.merge(&piece[passed..], |part| out.extend_from_slice(part));
            } else {
                assert_eq!(passed, piece.len());
            }
            from = cut;
        }
        out.extend(merger.end());
        out
    }

    fn chunked(pieces: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = HEAD.to_vec();
        for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
            bytes.extend(format!("{:X}\r\n", piece.len()).as_bytes());
            bytes.extend(piece);
            bytes.extend(b"\r\n");
        }
        bytes.extend(b"0\r\n\r\n");
        bytes
    }

    /// The data of a chunked body that must be well-formed up to its end.
    fn data(mut bytes: &[u8]) -> Vec<u8> {
        let mut data = Vec::new();
        loop {
            let line = memchr::memmem::find(bytes, b"\r\n").unwrap();
            let size = usize::from_str_radix(std::str::from_utf8(&bytes[..line]).unwrap(), 16).unwrap();
            bytes = &bytes[line + 2..];
            data.extend(&bytes[..size]);
            assert_eq!(&bytes[size..size + 2], b"\r\n");
            bytes = &bytes[size + 2..];
            if size == 0 {
                assert!(bytes.is_empty());
                return data;
            }
        }
    }

    /// The data of a chunked body up to the first thing that is wrong, or not plain.
    fn data_until_wrong(mut bytes: &[u8]) -> Vec<u8> {
        let mut data = Vec::new();
        while let Line::Size(line, size) = size_line(bytes) {
            let end = (line + size).min(bytes.len());
            data.extend(&bytes[line..end]);
            bytes = match bytes[end..].strip_prefix(b"\r\n") {
                Some(rest) => rest,
                None => break,
            };
        }
        data
    }

    #[test]
    fn chunks_of_one_read_become_one_and_the_end_stays() {
        let bytes = chunked(&[b"data: a\n\n".to_vec(), b"data: b\n\n".to_vec(), b"x".to_vec()]);
        let seen = seen(&bytes, &[], false);
        assert_eq!(&seen[..HEAD.len()], HEAD);
        assert_eq!(&seen[HEAD.len()..], b"13\r\ndata: a\n\ndata: b\n\nx\r\n0\r\n\r\n");
    }

    #[test]
    fn half_a_chunk_does_not_wait_for_the_other_half() {
        let bytes = [HEAD, b"a\r\n01234".as_slice()].concat();
        assert_eq!(&seen(&bytes, &[], false)[HEAD.len()..], b"5\r\n01234\r\n");
    }

    #[test]
    fn what_is_not_plain_passes_as_it_came() {
        let bodies: [&[u8]; 8] = [
            b"5;ext=1\r\nhello\r\n0\r\n\r\n",
            b"5 \r\nhello\r\n0\r\n\r\n",
            b"000000005\r\nhello\r\n",
            b"5\nhello\n",
            b"\r\n",
            b"0\r\nx-trailer: 1\r\n\r\n",
            b"g\r\n",
            b"5\rhello",
        ];
        for body in bodies {
            let bytes = [HEAD, body].concat();
            for cut in 1..bytes.len() {
                assert_eq!(seen(&bytes, &[cut], false), bytes, "{body:?} cut at {cut}");
            }
        }
        let heads: [&[u8]; 8] = [
            b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\ntransfer-encoding: chunked\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n",
            b"HTTP/1.1 200 OK\ntransfer-encoding: chunked\r\n\r\n",
            b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            b"HTTP/1.1 304 Not Modified\r\ntransfer-encoding: chunked\r\n\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\ntransfer-encoding: chunked\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nx: y\r\n transfer-encoding: chunked\r\n\r\n",
        ];
        for head in heads {
            let bytes = [head, b"1\r\na\r\n1\r\nb\r\n".as_slice()].concat();
            assert_eq!(
                seen(&bytes, &[], false),
                bytes,
                "{}",
                String::from_utf8_lossy(head)
            );
        }
        let bytes = chunked(&[b"a".to_vec(), b"b".to_vec()]);
        assert_eq!(seen(&bytes, &[], true), bytes, "an answer to HEAD");
    }

    #[test]
    fn a_broken_end_of_a_chunk_stays_broken() {
        // What follows reads like a chunk, and is none.
        let body = b"1\r\na1\r\nb\r\n";
        let bytes = [HEAD, body.as_slice()].concat();
        assert_eq!(&seen(&bytes, &[], false)[HEAD.len()..], body);
        let behind_the_data = HEAD.len() + 4;
        assert_eq!(
            &seen(&bytes, &[behind_the_data], false)[HEAD.len()..],
            b"1\r\na\r\n!1\r\nb\r\n"
        );
    }

    #[test]
    fn a_carriage_return_that_ends_no_chunk_is_no_end() {
        let body = [b"a\r\n".as_slice(), &[b'\r'; 11], b"1\r\n\r"].concat();
        let bytes = [HEAD, &body].concat();
        for cut in 0..bytes.len() {
            let seen = seen(&bytes, &[cut], false);
            assert_eq!(
                data_until_wrong(&seen[HEAD.len()..]),
                data_until_wrong(&body),
                "cut at {cut}: {:?}",
                String::from_utf8_lossy(&seen[HEAD.len()..])
            );
        }
    }

    #[test]
    fn an_interim_answer_comes_first() {
        let bytes = [
            b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n".as_slice(),
            &chunked(&[b"a".to_vec(), b"b".to_vec()]),
        ]
        .concat();
        let seen = seen(&bytes, &[], false);
        assert!(seen.ends_with(b"\r\n\r\n2\r\nab\r\n0\r\n\r\n"));
    }

    proptest! {
        #![proptest_config(crate::testing::cases(4_096))]

        #[test]
        fn the_data_stays_however_it_is_cut(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..12),
            cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..12),
        ) {
            let bytes = chunked(&pieces);
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
            cuts.sort_unstable();
            let seen = seen(&bytes, &cuts, false);
            prop_assert_eq!(&seen[..HEAD.len()], HEAD);
            prop_assert_eq!(data(&seen[HEAD.len()..]), pieces.concat());
        }

        #[test]
        fn a_reader_gets_the_same_data_however_wrong_the_framing_is(
            body in proptest::collection::vec(
                prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'1'), Just(b'2'), Just(b'a'), any::<u8>()],
                0..80,
            ),
            cut in any::<proptest::sample::Index>(),
        ) {
            let bytes = [HEAD, &body].concat();
            let seen = seen(&bytes, &[cut.index(bytes.len())], false);
            prop_assert_eq!(&seen[..HEAD.len()], HEAD);
            prop_assert_eq!(data_until_wrong(&seen[HEAD.len()..]), data_until_wrong(&body));
        }
    }
}
