//! A small HTTP/1.1 reader that keeps every byte: what a head says, how a body is framed, how it ended.
//!
//! It is written from RFC 9112 for tests and trusts nobody: what it does not understand it panics about.

use crate::line::{End, Line, keep};

/// The head of a request or a response as it was on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The bytes up to and including the empty line.
    pub bytes: Vec<u8>,
    /// The first line, without CRLF.
    pub line: String,
    /// Names and values in order, names as they were written, values without surrounding blanks.
    pub headers: Vec<(String, String)>,
}

impl Head {
    fn parse(bytes: Vec<u8>) -> Self {
        let text: String = bytes.iter().map(|byte| char::from(*byte)).collect(); // ISO 8859-1: nothing is lost
        let mut lines = text.trim_end_matches("\r\n").split("\r\n");
        let line = lines.next().unwrap_or_default().to_owned();
        let headers = lines.map(field).collect();
        Self { bytes, line, headers }
    }

    /// All values of a header, whatever the case of its name, in order.
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<&str> {
        let same = self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        same.map(|(_, value)| value.as_str()).collect()
    }

    /// The only value of a header. Panics if there are more.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() <= 1, "{name} came {} times: {all:?}", all.len());
        all.first().copied()
    }

    /// The status of a response.
    #[must_use]
    pub fn status(&self) -> u16 {
        let status = self.line.split(' ').nth(1).and_then(|code| code.parse().ok());
        status.unwrap_or_else(|| panic!("no status line: {:?}", self.line))
    }

    /// The method of a request.
    #[must_use]
    pub fn method(&self) -> &str {
        self.line.split(' ').next().unwrap_or_default()
    }

    /// The target of a request.
    #[must_use]
    pub fn target(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }

    /// How the body of a request with this head is framed (RFC 9112 §6.3).
    #[must_use]
    pub fn request_framing(&self) -> Framing {
        match self.announced() {
            Framing::UntilClose => Framing::None,
            framing => framing,
        }
    }

    /// How the body of a response with this head is framed, if `method` was asked (RFC 9112 §6.3).
    #[must_use]
    pub fn response_framing(&self, method: &str) -> Framing {
        let status = self.status();
        if method == "HEAD" || status < 200 || status == 204 || status == 304 {
            return Framing::None;
        }
        self.announced()
    }

    fn announced(&self) -> Framing {
        if self
            .header("transfer-encoding")
            .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
        {
            return Framing::Chunked;
        }
        match self.header("content-length") {
            Some(length) => Framing::Sized(length.parse().expect("a content-length")),
            None => Framing::UntilClose,
        }
    }
}

fn field(line: &str) -> (String, String) {
    let (name, value) = line
        .split_once(':')
        .unwrap_or_else(|| panic!("no field: {line:?}"));
    (name.to_owned(), value.trim_matches([' ', '\t']).to_owned())
}

/// How a body is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    None,
    /// By content-length.
    Sized(usize),
    /// Chunked.
    Chunked,
    /// By the end of the connection.
    UntilClose,
}

/// How a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyEnd {
    /// As its framing says.
    Complete,
    /// The connection ended before that.
    Cut(End),
}

/// A body as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// How it was framed.
    pub framing: Framing,
    /// The content, without framing.
    pub content: Vec<u8>,
    /// The lengths of the chunks, if it was chunked.
    pub chunks: Vec<usize>,
    /// The trailers, if it was chunked.
    pub trailers: Vec<(String, String)>,
    /// How it ended.
    pub end: BodyEnd,
}

impl Body {
    /// The content as text. Panics if it is not UTF-8.
    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.content).expect("text")
    }

    /// The content as JSON. Panics if it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.content).expect("JSON")
    }

    /// Whether all of it came.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.end == BodyEnd::Complete
    }
}

/// Reads a head. The error says how the other end left before it was complete, and what had come.
pub(crate) async fn read_head(line: &mut Line) -> Result<Head, (End, Vec<u8>)> {
    match take_through(line, b"\r\n\r\n").await {
        Ok(bytes) => Ok(Head::parse(bytes)),
        Err(end) => Err((end, std::mem::take(&mut line.buffer))),
    }
}

/// Reads a body that is framed like this.
pub(crate) async fn read_body(line: &mut Line, framing: Framing) -> Body {
    let mut body = Body {
        framing,
        content: Vec::new(),
        chunks: Vec::new(),
        trailers: Vec::new(),
        end: BodyEnd::Complete,
    };
    let read = match framing {
        Framing::None => Ok(()),
        Framing::Sized(length) => take(line, length, &mut body.content).await,
        Framing::Chunked => read_chunks(line, &mut body).await,
        Framing::UntilClose => read_until_close(line, &mut body).await,
    };
    if let Err(end) = read {
        body.end = BodyEnd::Cut(end);
    }
    body
}

async fn read_until_close(line: &mut Line, body: &mut Body) -> Result<(), End> {
    loop {
        keep(&mut body.content, &std::mem::take(&mut line.buffer));
        match line.fill().await {
            Ok(()) => {}
            Err(End::Fin) => return Ok(()),
            Err(end) => return Err(end),
        }
    }
}

async fn read_chunks(line: &mut Line, body: &mut Body) -> Result<(), End> {
    loop {
        let size = text_line(line).await?;
        let digits = size.split(';').next().unwrap_or_default();
        let length = usize::from_str_radix(digits, 16).unwrap_or_else(|_| panic!("no chunk size: {size:?}"));
        if length == 0 {
            break;
        }
        body.chunks.push(length);
        take(line, length, &mut body.content).await?;
        assert_eq!(text_line(line).await?, "", "a chunk is longer than it says");
    }
    loop {
        match text_line(line).await?.as_str() {
            "" => return Ok(()),
            trailer => body.trailers.push(field(trailer)),
        }
    }
}

/// Moves `length` bytes into `content`, as many as there are if the other end leaves.
async fn take(line: &mut Line, length: usize, content: &mut Vec<u8>) -> Result<(), End> {
    let goal = content.len() + length;
    loop {
        let some = line.buffer.len().min(goal - content.len());
        keep(content, &line.buffer[..some]);
        line.buffer.drain(..some);
        if content.len() == goal {
            return Ok(());
        }
        line.fill().await?;
    }
}

async fn text_line(line: &mut Line) -> Result<String, End> {
    let mut bytes = take_through(line, b"\r\n").await?;
    bytes.truncate(bytes.len() - 2);
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

async fn take_through(line: &mut Line, delimiter: &[u8]) -> Result<Vec<u8>, End> {
    let mut seen = 0; // no end of the delimiter lies before this
    loop {
        let from = seen.min(line.buffer.len());
        let found = line.buffer[from..]
            .windows(delimiter.len())
            .position(|w| w == delimiter);
        if let Some(at) = found {
            return Ok(line.buffer.drain(..from + at + delimiter.len()).collect());
        }
        seen = line.buffer.len().saturating_sub(delimiter.len() - 1);
        line.fill().await?;
    }
}
