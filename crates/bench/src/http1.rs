//! As much of HTTP/1.1 as the load generator and the origin need: heads, sized and chunked bodies. Strict about
//! what they compare, silent about the rest.

use crate::Void;

/// The most header fields of a head.
const FIELDS_MAX: usize = 48;

/// How the end of a body is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// It has so many bytes.
    Sized(usize),
    /// It is chunked.
    Chunked,
}

/// The head of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResponseHead {
    /// Its status.
    pub status: u16,
    /// Of its body. A body that ends with the connection is not taken.
    pub framing: Framing,
    /// How many bytes the head has.
    pub bytes: usize,
}

/// The head of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHead {
    /// What is asked for.
    pub target: String,
    /// Of its body.
    pub framing: Framing,
    /// How many bytes the head has.
    pub bytes: usize,
}

/// Reads a response's head, if it is there as a whole.
///
/// # Errors
/// If it is none, or its body has no framing.
pub fn response_head(bytes: &[u8]) -> Result<Option<ResponseHead>, Void> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut response = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(length) = response.parse(bytes)? else {
        return Ok(None);
    };
    let framing = framing(response.headers)?.ok_or("a response without framing")?;
    Ok(Some(ResponseHead {
        status: response.code.unwrap_or_default(),
        framing,
        bytes: length,
    }))
}

/// Reads a request's head, if it is there as a whole.
///
/// # Errors
/// If it is none.
pub fn request_head(bytes: &[u8]) -> Result<Option<RequestHead>, Void> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut fields);
    let httparse::Status::Complete(length) = request.parse(bytes)? else {
        return Ok(None);
    };
    Ok(Some(RequestHead {
        target: request.path.unwrap_or_default().to_owned(),
        framing: framing(request.headers)?.unwrap_or(Framing::Sized(0)),
        bytes: length,
    }))
}

fn framing(fields: &[httparse::Header<'_>]) -> Result<Option<Framing>, Void> {
    for field in fields {
        if field.name.eq_ignore_ascii_case("content-length") {
            let length = std::str::from_utf8(field.value)?.trim().parse()?;
            return Ok(Some(Framing::Sized(length)));
        }
        if field.name.eq_ignore_ascii_case("transfer-encoding") {
            return Ok(Some(Framing::Chunked));
        }
    }
    Ok(None)
}

/// Takes the content out of a chunked body, piece by piece. Trailers are not taken.
#[derive(Debug, Default)]
pub struct Chunked {
    state: State,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    #[default]
    Begin,
    Size(usize),
    Content(usize),
    AfterContent,
    Last,
    Done,
}

impl Chunked {
    /// Whether the body has ended.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Takes bytes, gives the content in them to `sink`, and says how many it took: all, unless the body ended.
    ///
    /// # Errors
    /// If this is no chunked body.
    pub fn feed(&mut self, bytes: &[u8], mut sink: impl FnMut(&[u8])) -> Result<usize, Void> {
        let mut rest = bytes;
        while let Some((&first, after)) = rest.split_first() {
            self.state = match self.state {
                State::Content(left) => {
                    let (content, after) = rest.split_at(left.min(rest.len()));
                    sink(content);
                    rest = after;
                    match left - content.len() {
                        0 => State::AfterContent,
                        left => State::Content(left),
                    }
                }
                State::Done => break,
                state => {
                    rest = after;
                    step(state, first)?
                }
            };
        }
        Ok(bytes.len() - rest.len())
    }
}

fn step(state: State, byte: u8) -> Result<State, Void> {
    match (state, byte) {
        (State::Begin, byte) => Ok(State::Size(digit(0, byte)?)),
        (State::Size(0), b'\n') => Ok(State::Last),
        (State::Size(size), b'\n') => Ok(State::Content(size)),
        (State::Size(size), byte) if byte != b'\r' => Ok(State::Size(digit(size, byte)?)),
        (State::AfterContent, b'\n') => Ok(State::Begin),
        (State::Last, b'\n') => Ok(State::Done),
        (state, b'\r') => Ok(state),
        (state, byte) => Err(format!("byte {byte:#04x} in a chunked body at {state:?}").into()),
    }
}

fn digit(size: usize, byte: u8) -> Result<usize, Void> {
    let digit = char::from(byte).to_digit(16);
    let digit = digit.ok_or_else(|| format!("byte {byte:#04x} in the size of a chunk"))?;
    let size = size.checked_mul(16).ok_or("a chunk without bound")?;
    Ok(size + digit as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunked_body_is_taken_wherever_it_is_cut() {
        let body = b"5\r\nhello\r\n1A\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\nHTTP";
        for cut in 0..body.len() {
            let (mut chunked, mut content) = (Chunked::default(), Vec::new());
            let (first, second) = body.split_at(cut);
            let mut taken = 0;
            for part in [first, second] {
                taken += chunked
                    .feed(part, |bytes| content.extend_from_slice(bytes))
                    .unwrap();
            }
            assert_eq!((taken, chunked.is_done()), (body.len() - 4, true), "cut at {cut}");
            assert_eq!(content, b"helloabcdefghijklmnopqrstuvwxyz");
        }
    }

    #[test]
    fn what_is_not_chunked_is_an_error() {
        for body in ["x\r\n", "1\r\nab", "\r\n", "ffffffffffffffffffff\r\n"] {
            let mut chunked = Chunked::default();
            assert!(chunked.feed(body.as_bytes(), |_| ()).is_err(), "{body:?}");
        }
    }

    #[test]
    fn heads_are_read_when_they_are_whole() {
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
        assert_eq!(response_head(&text[..20]).unwrap(), None);
        let head = response_head(text).unwrap().unwrap();
        assert_eq!(
            (head.status, head.framing, head.bytes),
            (200, Framing::Sized(3), 38)
        );
        assert!(response_head(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        let head = request_head(b"POST /a HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n").unwrap();
        assert_eq!(head.unwrap().framing, Framing::Chunked);
    }
}
