//! Fault kinds: parameters, validation, compiled to effects; one file per kind.
