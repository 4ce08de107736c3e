//! Upstreams that no script can play: endless senders, readers that stop, servers that close idle connections.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// Bytes that are written or read at once.
pub(super) const PIECE_BYTES: usize = 64 * 1024;

/// A server that ends when it is dropped.
pub(super) struct Server {
    pub(super) addr: SocketAddr,
    task: AbortHandle,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub(super) async fn start<F>(each: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).ok(); // fails only if the client has left
                connections.spawn(each(stream));
                while connections.try_join_next().is_some() {}
            }
        });
        Self {
            addr,
            task: task.abort_handle(),
        }
    }
}

/// Reads one head; what came behind it is returned with it.
pub(super) async fn read_head(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Some((String::from_utf8(bytes).unwrap(), rest));
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

/// The byte at an offset of what a [`sender`] sends.
pub(super) fn byte_at(offset: u64) -> u8 {
    b'a' + u8::try_from(offset % 23).unwrap()
}

/// The pieces of a body of [`byte_at`], which never has a line feed.
pub(super) fn pieces(total: u64) -> impl Iterator<Item = Vec<u8>> {
    let size = PIECE_BYTES as u64 / 23 * 23; // so that all pieces are alike
    let piece: Vec<u8> = (0..size).map(byte_at).collect();
    (0..total)
        .step_by(usize::try_from(size).unwrap())
        .map(move |offset| {
            let length = usize::try_from(size.min(total - offset)).unwrap();
            piece[..length].to_vec()
        })
}

/// Answers each request by this head and so many bytes; tells how many were taken from it.
pub(super) async fn sender(head: &str, total: u64) -> (Server, Arc<AtomicU64>) {
    let taken = Arc::<AtomicU64>::default();
    let (counter, head) = (Arc::clone(&taken), head.to_owned());
    let server = Server::start(move |mut stream| {
        let (counter, head) = (Arc::clone(&counter), head.clone());
        async move {
            while read_head(&mut stream).await.is_some() {
                if stream.write_all(head.as_bytes()).await.is_err() {
                    return;
                }
                for piece in pieces(total) {
                    if stream.write_all(&piece).await.is_err() {
                        return;
                    }
                    counter.fetch_add(piece.len() as u64, Ordering::Relaxed);
                }
            }
        }
    })
    .await;
    (server, taken)
}

/// Answers a request by this head, then by the bytes of its body, chunk framing included, as they come.
pub(super) async fn mirror(head: &str) -> Server {
    let head = head.to_owned();
    Server::start(move |mut stream| {
        let head = head.clone();
        async move {
            let Some((_, mut bytes)) = read_head(&mut stream).await else {
                return;
            };
            let mut left = stream.write_all(head.as_bytes()).await.is_err();
            while !left {
                left = stream.write_all(&bytes).await.is_err();
                bytes.clear();
                left |= !matches!(stream.read_buf(&mut bytes).await, Ok(1..));
            }
        }
    })
    .await
}

/// What a [`reader`] did.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// Set by the test: reads on.
    pub(super) go: AtomicBool,
    pub(super) read: AtomicU64,
}

/// Reads a request's head, then nothing until it is told to, then all of a body of this length, and answers.
pub(super) async fn reader(total: u64) -> (Server, Arc<Reading>) {
    let reading = Arc::<Reading>::default();
    let shared = Arc::clone(&reading);
    let server = Server::start(move |mut stream| {
        let reading = Arc::clone(&shared);
        async move {
            let Some((_, rest)) = read_head(&mut stream).await else {
                return;
            };
            reading.read.fetch_add(rest.len() as u64, Ordering::Relaxed);
            while !reading.go.load(Ordering::Relaxed) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let mut piece = vec![0; PIECE_BYTES];
            while reading.read.load(Ordering::Relaxed) < total {
                match stream.read(&mut piece).await {
                    Ok(0) | Err(_) => return,
                    Ok(n) => reading.read.fetch_add(n as u64, Ordering::Relaxed),
                };
            }
            let answered = stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                .await;
            drop(answered); // the test sees whether the answer came
        }
    })
    .await;
    (server, reading)
}

/// How long a server waits for the first request of a connection.
const FIRST_REQUEST_WITHIN: Duration = Duration::from_secs(5);

/// How often each target was asked for.
pub(super) type Asked = Arc<Mutex<HashMap<String, usize>>>;

/// Answers with the request's target, and closes a connection that was idle for `idle`.
pub(super) async fn closing_idle(idle: Duration) -> (Server, Asked) {
    let asked = Asked::default();
    let shared = Arc::clone(&asked);
    let server = Server::start(move |mut stream| {
        let asked = Arc::clone(&shared);
        async move {
            // As servers do: a new connection is not an idle one.
            let mut patience = FIRST_REQUEST_WITHIN;
            while let Ok(Some((head, mut body))) = timeout(patience, read_head(&mut stream)).await {
                patience = idle;
                let length = head.lines().find_map(|line| {
                    line.to_ascii_lowercase()
                        .strip_prefix("content-length: ")?
                        .parse()
                        .ok()
                });
                while body.len() < length.unwrap_or(0) {
                    if !matches!(stream.read_buf(&mut body).await, Ok(1..)) {
                        return;
                    }
                }
                let target = head.split(' ').nth(1).unwrap().to_owned();
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{target}",
                    target.len()
                );
                *asked.lock().unwrap().entry(target).or_default() += 1;
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    (server, asked)
}
