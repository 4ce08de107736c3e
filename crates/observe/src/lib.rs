//! What happened: exchanges, event log, error window, operations, metrics, redaction.
