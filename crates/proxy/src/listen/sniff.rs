//! Which version of HTTP a client speaks, by its first bytes. No protocol puts a bound on when they come, so the
//! caller does.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// What an HTTP/2 client with prior knowledge sends first (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes that are read at once: most requests have fewer.
const FIRST_READ_BYTES: usize = 2048;

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sniffed {
    pub(super) http2: bool,
    /// The bytes that were read; they belong to the stream.
    pub(super) first: Vec<u8>,
}

/// Reads until the version is known.
///
/// # Errors
/// If the stream fails, or ends without a byte.
pub(super) async fn sniff<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Sniffed> {
    let mut first = Vec::with_capacity(FIRST_READ_BYTES);
    loop {
        let seen = first.len();
        let ended = stream.read_buf(&mut first).await? == 0;
        if ended && seen == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let compared = first.len().min(PREFACE.len());
        let is_preface = first.get(..compared) == PREFACE.get(..compared);
        if !is_preface || compared == PREFACE.len() || ended {
            return Ok(Sniffed {
                http2: is_preface && !ended,
                first,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    async fn check(pieces: &[&[u8]], http2: bool) {
        let (mut client, mut server) = tokio::io::duplex(1024);
        let sent = pieces.concat();
        let sniffed = tokio::spawn(async move { (sniff(&mut server).await, server) });
        for piece in pieces {
            client.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        drop(client);
        let (sniffed, _server) = sniffed.await.unwrap();
        let sniffed = sniffed.unwrap();
        assert_eq!(sniffed.http2, http2);
        assert!(sent.starts_with(&sniffed.first));
    }

    #[tokio::test]
    async fn the_preface_is_told_from_requests() {
        check(&[PREFACE], true).await;
        check(&[b"PRI * HTT", b"P/2.0\r\n\r\nSM\r\n\r\n", b"more"], true).await;
        check(&[b"GET / HTTP/1.1\r\n"], false).await;
        check(&[b"P", b"OST / HTTP/1.1\r\n"], false).await;
        check(&[b"PRI * HTTP/2.0\r\n\r\nXX"], false).await;
        check(&[b"PRI"], false).await;
        check(&[b"\x16\x03\x01"], false).await;
    }

    #[tokio::test]
    async fn silence_is_an_error() {
        let (client, mut server) = tokio::io::duplex(16);
        drop(client);
        assert!(sniff(&mut server).await.is_err());
    }
}
