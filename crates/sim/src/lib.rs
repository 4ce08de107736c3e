//! A small honest upstream for the demo and the tests.
