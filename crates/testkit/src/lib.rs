//! Scripted peer, recorder, raw-socket client and builders for tests.
