//! End to end through the front door: the built binary, real sockets, real TLS, official clients.

mod faults;
mod llm;
mod operation;
mod support;
mod transparency;
