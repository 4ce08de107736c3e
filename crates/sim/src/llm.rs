//! Simulated LLM APIs, each in its provider's own shapes. Written from the APIs' documentation and from what their
//! official clients read; nothing is shared with `dialects`, which this crate is there to judge.
//!
//! One small scripted brain ([`brain`]) answers for all of them:
//!
//! 1. If the last turn holds results of tools, the answer quotes them: `The tool NAME returned: RESULT`, a line each.
//! 2. If the last user message asks for tools that are offered ([`grammar`]), the answer calls them. A choice that
//!    the API knows (`tool_choice` and its like) is obeyed: none calls nothing, a required or named one calls even
//!    when the prompt does not ask.
//! 3. If a JSON schema is asked for (structured output), the answer is a sample of it ([`schema`]).
//! 4. Else the answer repeats the last user message: `You said: TEXT`.
//!
//! The grammar of a prompt, each part anywhere in the text, keywords in any case:
//!
//! ```text
//! request   = ( "use the tool" | "call the tool" | "call" ) name [ [ "with" ] object ]
//! name      = an offered tool's name, bare or in `, ' or "
//! object    = a JSON object, also in ( ); without one the arguments are a sample of the tool's schema
//! preamble  = "say" string      a JSON string that is said before the calls
//! ```
//!
//! A name that is not offered is prose, not a request. Several requests are calls in parallel, at most
//! [`grammar::CALLS_MAX`].
//!
//! Tokens are counted by one heuristic: a word of text (what whitespace separates) is a token, and JSON (tools
//! offered, arguments of calls, with the tool's name) is a token for every four bytes begun. A limit on the answer
//! cuts text after its last whole word, and the stop reason says so; calls that do not fit are not made.

pub(crate) mod anthropic;
pub(crate) mod bedrock;
mod brain;
pub(crate) mod gemini;
mod grammar;
mod json;
pub(crate) mod models;
pub(crate) mod openai;
mod schema;
mod send;
