//! Nothing here: the tests of this package are in its test targets.
