//! `/json`: a fixed document in each content coding.

use std::io::{self, Write as _};

use axum::extract::Query;
use axum::response::{IntoResponse as _, Response};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;

use crate::plain::Refusal;

/// The document that `/json` answers with.
pub const DOCUMENT: &str = include_str!("document.json");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    encoding: Option<Coding>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum Coding {
    Gzip,
    Br,
    Zstd,
    Deflate,
}

impl Coding {
    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Br => "br",
            Self::Zstd => "zstd",
            Self::Deflate => "deflate",
        }
    }

    fn encode(self, text: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(text)?;
                encoder.finish()
            }
            // RFC 9110 §8.4.1.2: "deflate" is the zlib format.
            Self::Deflate => {
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(text)?;
                encoder.finish()
            }
            Self::Br => {
                let mut out = Vec::new();
                let mut encoder = brotli::CompressorWriter::new(&mut out, 4_096, 5, 22);
                encoder.write_all(text)?;
                drop(encoder); // writes the end of the stream
                Ok(out)
            }
            Self::Zstd => zstd::bulk::compress(text, zstd::DEFAULT_COMPRESSION_LEVEL),
        }
    }
}

/// `GET /json`.
pub(crate) async fn document(Query(wanted): Query<Wanted>) -> Response {
    let Some(coding) = wanted.encoding else {
        return json(DOCUMENT.as_bytes().to_vec());
    };
    match coding.encode(DOCUMENT.as_bytes()) {
        Ok(body) => {
            let mut response = json(body);
            response
                .headers_mut()
                .insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
            response
        }
        Err(error) => Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

fn json(body: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}
