//! The murphy binary: command line and wiring.
fn main() {}
