//! Operating Murphy: hot reload, the control API and its guard, the command line, the kill switch, draining, what
//! may never leak, and what may never take it down.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    clippy::print_stderr
)] // a test fails loudly

mod alerts;
mod bombs;
mod command_line;
mod command_line_check;
mod control_answers;
mod control_api;
mod control_guard;
mod control_reach;
mod control_scenarios;
mod drain;
mod hot_reload;
mod kill_switch;
mod kill_switch_latch;
mod kill_switch_load;
mod kill_switch_triggers;
mod kubernetes_mount;
mod log_injection;
mod metrics;
mod prometheus;
mod reload_storm;
mod schemathesis;
mod secrets;
mod support;
