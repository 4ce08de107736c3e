//! What several test targets of this package share.

pub mod promql;
