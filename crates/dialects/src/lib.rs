//! What an API speaks: recognise calls, read facts, render failures.
//!
//! A dialect turns a failure that is named by meaning into the status, headers and body that its API sends,
//! and reads from a request what rules may match on. No I/O and no clock: the time comes in.

pub mod anthropic;
pub mod auto;
pub mod azure_openai;
pub mod bedrock;
pub mod coverage;
pub mod dialect;
pub mod gemini;
pub mod mistral;
pub mod openai;
pub mod openai_compatible;
mod percent;
pub mod plain;
mod reading;
pub mod registry;
mod rendering;
pub mod retry_after;

pub use dialect::{Dialect, Rendering};
