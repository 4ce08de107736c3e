//! A fast origin on raw sockets: answers that lie ready, and streams of events.

use std::fmt::Write as _;
use std::io;
use std::sync::LazyLock;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::Void;
use crate::clock::{self, Ticker};
use crate::http1::{Chunked, Framing, request_head};

/// The sizes whose answers lie ready, by the last segment of the path.
pub const SIZES: [(&str, usize); 3] = [("200", 200), ("8k", 8 * 1024), ("1m", 1024 * 1024)];

/// What `/mcp` answers: the result of a tool's call.
pub const MCP_RESULT: &str = r#"{"jsonrpc":"2.0","id":17,"result":{"content":[{"type":"text","text":"3 files changed, 42 insertions(+), 7 deletions(-) in src/main.rs, src/cli.rs and tests/cli.rs; all 128 tests pass"}],"structuredContent":{"files":3,"insertions":42,"deletions":7,"passed":128,"failed":0},"isError":false}}"#;

/// An event of a full-speed stream, about as large as a delta of a chat completion.
const DELTA: &str = "data: {\"id\":\"chatcmpl-7\",\"object\":\"chat.completion.chunk\",\"index\":0,\"delta\":\"token\",\"finish_reason\":null}\n\n";

/// The most events of a full-speed stream that are written at once.
const BATCH_MAX: usize = 512;

const REQUEST_BUFFER_BYTES: usize = 16 << 10;
const BLOCK_BYTES: usize = 256 << 10;

const STREAM_HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n\
                           transfer-encoding: chunked\r\n\r\n";
const LAST_CHUNK: &str = "0\r\n\r\n";

static READY: LazyLock<Vec<(&str, Vec<u8>)>> = LazyLock::new(|| {
    let sized = SIZES.iter().map(|(name, bytes)| {
        let mut answer = head("application/octet-stream", *bytes).into_bytes();
        answer.resize(answer.len() + bytes, b'x');
        (*name, answer)
    });
    let mcp = head("application/json", MCP_RESULT.len()) + MCP_RESULT;
    sized.chain([("mcp", mcp.into_bytes())]).collect()
});
static BLOCK: [u8; BLOCK_BYTES] = [b'x'; BLOCK_BYTES];
static DELTAS: LazyLock<String> = LazyLock::new(|| chunk(DELTA).repeat(BATCH_MAX));

fn head(kind: &str, length: usize) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n")
}

fn chunk(content: &str) -> String {
    format!("{:x}\r\n{content}\r\n", content.len())
}

/// Serves until the future is dropped, below whatever prefix: `/200`, `/8k`, `/1m`, `/mcp`, `/bytes/N`,
/// `/events/N/B` (N events at full speed, B in a write) and `/paced/N/US` (N events, one every US microseconds, each with the time
/// when it was sent).
pub async fn serve(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            connection(stream).await.ok(); // a client that goes is no fault of the origin
        });
    }
}

async fn connection(mut stream: TcpStream) -> Result<(), Void> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(REQUEST_BUFFER_BYTES);
    loop {
        let head = loop {
            if let Some(head) = request_head(&buffer)? {
                break head;
            }
            if buffer.len() >= REQUEST_BUFFER_BYTES || stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        buffer.drain(..head.bytes);
        skip(&mut stream, &mut buffer, head.framing).await?;
        answer(&mut stream, &head.target).await?;
    }
}

/// Reads a request's body to its end.
async fn skip(stream: &mut TcpStream, buffer: &mut Vec<u8>, framing: Framing) -> Result<(), Void> {
    let (mut left, mut chunked) = match framing {
        Framing::Sized(length) => (length, None),
        Framing::Chunked => (0, Some(Chunked::default())),
    };
    loop {
        let taken = match &mut chunked {
            Some(chunked) => chunked.feed(buffer, |_| ())?,
            None => left.min(buffer.len()),
        };
        buffer.drain(..taken);
        left = left.saturating_sub(taken);
        if chunked.as_ref().map_or(left == 0, Chunked::is_done) {
            return Ok(());
        }
        if stream.read_buf(buffer).await? == 0 {
            return Err("closed within a body".into());
        }
    }
}

async fn answer(stream: &mut TcpStream, target: &str) -> Result<(), Void> {
    let path = target.split('?').next().unwrap_or_default();
    let mut from_the_end = path.rsplit('/');
    let (last, second, third) = (
        from_the_end.next().unwrap_or_default(),
        from_the_end.next().unwrap_or_default(),
        from_the_end.next().unwrap_or_default(),
    );
    if let Some((_, ready)) = READY.iter().find(|(name, _)| *name == last) {
        stream.write_all(ready).await?;
        return Ok(());
    }
    match (third, second, last.parse::<usize>()) {
        (_, "bytes", Ok(length)) => bytes(stream, length).await?,
        ("events", count, Ok(batch)) => events(stream, count.parse()?, batch).await?,
        ("paced", count, Ok(micros)) => paced(stream, count.parse()?, micros as u64).await?,
        _ => {
            let none = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(none.as_bytes()).await?;
        }
    }
    Ok(())
}

async fn bytes(stream: &mut TcpStream, length: usize) -> io::Result<()> {
    let head = head("application/octet-stream", length);
    stream.write_all(head.as_bytes()).await?;
    let mut left = length;
    while left > 0 {
        let block = BLOCK.get(..left.min(BLOCK_BYTES)).unwrap_or_default();
        stream.write_all(block).await?;
        left -= block.len();
    }
    Ok(())
}

async fn events(stream: &mut TcpStream, count: usize, batch: usize) -> io::Result<()> {
    stream.write_all(STREAM_HEAD.as_bytes()).await?;
    let each = DELTAS.len() / BATCH_MAX;
    let mut left = count;
    while left > 0 {
        let batch = left.min(batch.clamp(1, BATCH_MAX));
        let events = DELTAS.as_bytes().get(..each * batch).unwrap_or_default();
        stream.write_all(events).await?;
        left -= batch;
    }
    stream.write_all(LAST_CHUNK.as_bytes()).await
}

async fn paced(stream: &mut TcpStream, count: u64, micros: u64) -> io::Result<()> {
    let mut ticker = Ticker::every(Duration::from_micros(micros.max(1)))?;
    stream.write_all(STREAM_HEAD.as_bytes()).await?;
    let (mut sent, mut due, mut text) = (0, 1, String::new());
    loop {
        while sent < due.min(count) {
            text.clear();
            let event = format!("data: {{\"sent\":{}}}\n\n", clock::now());
            write!(text, "{:x}\r\n{event}\r\n", event.len()).ok();
            stream.write_all(text.as_bytes()).await?;
            sent += 1;
        }
        if sent == count {
            return stream.write_all(LAST_CHUNK.as_bytes()).await;
        }
        due += ticker.tick().await?;
    }
}
