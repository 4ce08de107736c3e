//! A small honest upstream for the demo and the tests.
//!
//! It speaks HTTP/1.1 and HTTP/2 (prior knowledge) in the clear and always does what the path asks for, so that
//! everything else that a client sees was done by whoever stood between. Answers are deterministic (but `/time`
//! and `/calls`), so that a direct and a proxied one can be compared byte for byte.
//!
//! | path | answer |
//! | --- | --- |
//! | `POST /v1/chat/completions` | an OpenAI chat completion that repeats the last user message; `"stream": true` streams it (`?interval_ms=` between the chunks) |
//! | `GET /v1/models` | two models |
//! | `/echo` | any method: what arrived, as JSON, see [`Echo`] (bodies up to 16 MiB) |
//! | `/sink` | any method: reads a body of any length, says `{"bytes":n,"pattern":true}` if it was [`pattern`] |
//! | `/status/{code}` | that status, 200 to 599 |
//! | `GET /bytes/{n}` | n bytes of [`pattern`]; `?chunked=1` without a content-length |
//! | `GET /endless` | [`pattern`] without end |
//! | `GET /sse?events=&interval_ms=` | server-sent events, the first at once |
//! | `GET /drip?bytes=&interval_ms=` | one byte at a time, the first at once; `&chunked=1` |
//! | `/slow?ms=` | any method: an answer after that time |
//! | `GET /trailers` | a chunked body with the trailers `x-checksum` and `x-part` (twice) |
//! | `GET /json?encoding=gzip\|br\|zstd\|deflate` | [`DOCUMENT`], compressed if asked |
//! | `GET /time` | `{"count":n,"unix_ms":t}`: never the same twice |
//! | `GET /drop?how=fin\|rst&after=` | the connection breaks before the head, or after so many bytes of the body (`&chunked=1`); on HTTP/2 the stream is reset |
//! | `/redirect?status=` | any method: a redirect to `/echo` |
//! | `GET /cookies` | two `set-cookie` fields |
//! | `GET /head-304` | a 304 that names the length of the body that it does not have |
//! | `GET /ws` | a WebSocket that sends back what it gets |
//! | `GET /calls` | how many calls were served, by path, `/calls` itself aside |

mod bodies;
mod calls;
mod coded;
mod echo;
mod line;
mod llm;
mod pattern;
mod plain;
mod routes;
mod server;

pub use coded::DOCUMENT;
pub use echo::{Echo, EchoBody};
pub use pattern::pattern;
pub use server::{Sim, serve};
