//! A request's body that counts what passes.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Counts the bytes of a body whose length was not declared. A declared length is taken as it is, so that the
/// common request allocates nothing.
pub struct Counted<B> {
    body: B,
    count: Counter,
}

/// Tells how many bytes passed.
#[derive(Clone)]
pub enum Counter {
    /// So many were declared.
    Declared(u64),
    /// So many passed.
    Passed(Arc<AtomicU64>),
}

impl Counter {
    /// The number of bytes.
    #[must_use]
    pub fn read(&self) -> u64 {
        match self {
            Self::Declared(bytes) => *bytes,
            Self::Passed(bytes) => bytes.load(Ordering::Relaxed),
        }
    }
}

impl<B: Body> Counted<B> {
    /// Counts `body`, unless its length is declared or it is empty.
    pub fn new(body: B, declared: Option<u64>) -> Self {
        let known = declared.or_else(|| body.is_end_stream().then_some(0));
        let count = known.map_or_else(|| Counter::Passed(Arc::default()), Counter::Declared);
        Self { body, count }
    }

    /// The counter of this body.
    pub fn counter(&self) -> Counter {
        self.count.clone()
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Counted<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let (Counter::Passed(bytes), Some(Ok(frame))) = (&self.count, &frame) {
            bytes.fetch_add(
                frame.data_ref().map_or(0, |data| data.len() as u64),
                Ordering::Relaxed,
            );
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
