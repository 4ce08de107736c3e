//! Simulated LLM APIs. Written from the APIs' documentation; nothing is shared with `dialects`.

pub(crate) mod openai;
