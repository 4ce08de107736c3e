//! Sans-I/O codecs and body edits: bytes in, bytes out.
