//! A small honest upstream for the demo and the tests.
//!
//! It speaks HTTP/1.1 and HTTP/2 (prior knowledge) in the clear and always does what the path asks for, so that
//! everything else that a client sees was done by whoever stood between. Answers are deterministic (but `/time`
//! and `/calls`), so that a direct and a proxied one can be compared byte for byte.
//!
//! | path | answer |
//! | --- | --- |
//! | `POST /v1/chat/completions` | an OpenAI chat completion that repeats the last user message; `"stream": true` streams it (`?interval_ms=` between the chunks, as for all streams here). Mistral's clients, known by their user agent, get Mistral's shape |
//! | `POST /openai/deployments/{deployment}/chat/completions` | the same for Azure's clients |
//! | `POST /v1/responses` | an OpenAI response, plain or streamed |
//! | `POST /v1/embeddings` | OpenAI embeddings: the nearer, the more words two texts share |
//! | `GET /v1/models`, `GET /v1/models/{model}` | two models, and any one, in the shape of OpenAI, Anthropic or Gemini as the client's headers tell |
//! | `POST /v1/messages`, `POST /v1/messages/count_tokens` | an Anthropic message, plain or streamed, and its input tokens |
//! | `POST /v1beta/models/{model}:generateContent` (or under `/v1`), `:streamGenerateContent`, `:countTokens` | Gemini, streamed as a JSON array or with `?alt=sse` |
//! | `GET /v1beta/models`, `GET /v1beta/models/{model}` | Gemini's model list |
//! | `POST /model/{model}/converse`, `/converse-stream` | AWS Bedrock's Converse, streamed in AWS event-stream frames |
//! | `POST /model/{model}/invoke`, `/invoke-with-response-stream` | AWS Bedrock's InvokeModel with an Anthropic model |
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
//!
//! # What the models say
//!
//! All LLM APIs share one scripted brain. It repeats the last user message (`You said: ...`), calls an offered
//! tool if the message asks for it, quotes the results that a history ends with (`The tool NAME returned: ...`),
//! and fills the JSON schema of a structured answer. A message asks for a call by
//! `use the tool NAME with {"json": "arguments"}`, `call the tool NAME ...` or `call NAME ...`; without arguments
//! they are made from the tool's schema; several requests are calls in parallel; `say "TEXT"` before them is said
//! first. A forced tool choice calls without being asked. Tokens are words of text, and quarters of the bytes of
//! JSON; limits on the answer and stop sequences are obeyed, and the stop reason says so. All ids are made of the
//! request's bytes.

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
