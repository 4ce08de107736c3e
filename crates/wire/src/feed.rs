//! What the splitters of streams share: the bytes that came and are not yet in a frame.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Bytes in the order in which they came: first those that are held, which have been looked at and belong to a
/// frame that is not complete, then those that are still to be looked at.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    held: BytesMut,
    input: Bytes,
    more: VecDeque<Bytes>,
}

impl Feed {
    /// Appends a chunk. Nothing is copied.
    pub(crate) fn push(&mut self, chunk: Bytes) {
        if self.input.is_empty() {
            self.input = chunk;
        } else {
            self.more.push_back(chunk);
        }
    }

    /// What is to be looked at next, of one chunk; empty if there is nothing more.
    pub(crate) fn input(&mut self) -> &[u8] {
        while self.input.is_empty()
            && let Some(next) = self.more.pop_front()
        {
            self.input = next;
        }
        &self.input
    }

    /// What is held.
    pub(crate) fn held(&self) -> &[u8] {
        &self.held
    }

    /// Holds the first `count` bytes of the input: they are copied, so that a few bytes do not keep a chunk alive.
    pub(crate) fn hold(&mut self, count: usize) {
        let part = self.input.split_to(count.min(self.input.len()));
        self.held.extend_from_slice(&part);
        if self.input.is_empty() {
            self.input = Bytes::new(); // an empty slice would keep its chunk alive
        }
    }

    /// Takes what is held and the first `count` bytes of the input: without a copy if nothing is held.
    pub(crate) fn take(&mut self, count: usize) -> Bytes {
        if !self.held.is_empty() {
            self.hold(count);
            return std::mem::take(&mut self.held).freeze();
        }
        if count >= self.input.len() {
            return std::mem::take(&mut self.input);
        }
        self.input.split_to(count)
    }
}
