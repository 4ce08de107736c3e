//! Fault kinds: parameters, validation, compiled to effects; one file per kind.
//!
//! A kind is what a person writes under `fault:`; an effect is what the proxy executes. Each kind has its file
//! in `kinds/` and its line in `kinds.rs`; the enum, the schema, the catalogue and the documentation follow.

pub mod catalogue;
mod check;
mod content;
mod fields;
mod forms;
mod kind;
pub mod kinds;
mod place;
mod sides;
#[cfg(test)]
mod testing;

pub use catalogue::Row;
pub use content::CONTENT_BYTES_MAX;
pub use fields::{FIELDS_MAX, Fields};
pub use kind::{Ctx, Kind};
pub use kinds::{CATALOGUE, Fault};
pub use place::Place;
pub use sides::Sides;
