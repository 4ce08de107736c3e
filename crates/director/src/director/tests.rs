//! The Director as a whole: real files, a fake sender of alerts, and a real observer.

mod alerts_and_latch;
mod harness;
mod kill_switch;
mod reloads;
mod scenarios;
