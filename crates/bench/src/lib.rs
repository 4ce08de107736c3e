//! The yardstick: a bare hyper reverse proxy, an origin, a load generator, and a command that compares Murphy
//! with the bare proxy: `cargo run --release -p murphy-bench -- --murphy target/release/murphy`.

pub mod bare;
pub mod load;
pub mod origin;
pub mod process;
pub mod report;
pub mod threads;
