//! Drives the real daemon for a bounded time and checks every answer: what `murphy-soak` is made of.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`ask`], [`content`] | what is asked of the upstream, and the bytes that must come: both ends compute them |
//! | [`origin`], [`ledger`] | the upstream, a process of its own, and what arrived there |
//! | [`client`], [`traffic`] | clients that compare every byte |
//! | [`events`], [`judge`] | the daemon's event log, and whether each call is explained |
//! | [`strict`] | a reader of raw requests that objects to what two servers could read in two ways |
//! | [`churn`] | reloads, toggles, trips and kills of the upstream meanwhile |
//! | [`ground`], [`process`], [`control`] | the daemon as a process, and its control API |
//! | [`parts`], [`report`] | what is measured, and the table of it |

use std::error::Error;

pub mod ask;
pub mod churn;
pub mod client;
pub mod content;
pub mod control;
pub mod events;
pub mod ground;
pub mod judge;
pub mod ledger;
pub mod origin;
pub mod parts;
pub mod process;
pub mod report;
pub mod strict;
pub mod traffic;

/// Why a part could not be carried out.
pub type Trouble = Box<dyn Error + Send + Sync>;
