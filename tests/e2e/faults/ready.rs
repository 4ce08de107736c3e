//! The scenarios of the repository: each is switched on by its name and called until it strikes.
use std::collections::BTreeSet;
pub(super) fn kinds_in_use() -> BTreeSet<String> { BTreeSet::new() }
