//! The body of a request on its way upstream: it keeps what it sent as long as that is little, so that the
//! request can be sent once more, and it knows whether it waits for the agent or for the upstream.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::time::Instant;

use super::error::BoxError;

/// Bytes of a request's body that are kept for a second try.
pub const REPLAY_BYTES_MAX: usize = 64 * 1024;
/// Frames of a request's body that are kept for a second try.
const REPLAY_FRAMES_MAX: usize = 1024;

type Source = Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>>;

/// One request's body, shared by the tries to send it. Empty bodies need none.
#[derive(Clone)]
pub(super) struct Upload {
    inner: Arc<Mutex<Inner>>,
    hint: SizeHint,
}

struct Inner {
    source: Source,
    /// Which try may read.
    attempt: u32,
    kept: Option<Kept>,
    ended: bool,
    waits_for_agent: bool,
    moved: Instant,
    failure: Option<BoxError>,
}

#[derive(Default)]
struct Kept {
    frames: Vec<Piece>,
    bytes: usize,
}

#[derive(Clone)]
enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
}

impl Piece {
    fn frame(self) -> Frame<Bytes> {
        match self {
            Self::Data(data) => Frame::data(data),
            Self::Trailers(trailers) => Frame::trailers(trailers),
        }
    }
}

/// What an upload is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// The agent has to send more.
    WaitsForAgent,
    /// All was handed over, or the upstream does not take more, since then.
    WaitsForUpstream(Instant),
}

impl Upload {
    /// Takes a body; `None` if it is empty.
    pub(super) fn take<B>(body: B) -> Option<Self>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        if body.is_end_stream() {
            return None;
        }
        let hint = body.size_hint();
        Some(Self {
            inner: Arc::new(Mutex::new(Inner {
                source: Box::pin(body.map_err(Into::into)),
                attempt: 0,
                kept: None,
                ended: false,
                waits_for_agent: false,
                moved: Instant::now(),
                failure: None,
            })),
            hint,
        })
    }

    /// Whether it is known before it is read that it fits into what can be kept.
    pub(super) fn fits(&self) -> bool {
        self.hint
            .upper()
            .is_some_and(|upper| upper <= REPLAY_BYTES_MAX as u64)
    }

    /// The body for the first try; `keep` for a try that might fail without harm.
    pub(super) fn first(&self, keep: bool) -> Outgoing {
        if keep {
            self.lock().kept = Some(Kept::default());
        }
        Outgoing {
            upload: Some(self.clone()),
            attempt: 0,
            position: 0,
        }
    }

    /// The body for another try, if all that was read so far was kept.
    pub(super) fn again(&self) -> Option<Outgoing> {
        let mut inner = self.lock();
        inner.kept.as_ref()?;
        inner.attempt += 1;
        Some(Outgoing {
            upload: Some(self.clone()),
            attempt: inner.attempt,
            position: 0,
        })
    }

    /// Forgets what was kept: there will be no other try.
    pub(super) fn settle(&self) {
        self.lock().kept = None;
    }

    pub(super) fn standing(&self) -> Standing {
        let inner = self.lock();
        if inner.waits_for_agent && !inner.ended {
            Standing::WaitsForAgent
        } else {
            Standing::WaitsForUpstream(inner.moved)
        }
    }

    /// The error of the agent's body, once.
    pub(super) fn failure(&self) -> Option<BoxError> {
        self.lock().failure.take()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = self.source.as_mut().poll_frame(cx);
        self.waits_for_agent = polled.is_pending();
        if let Poll::Ready(ready) = &polled {
            self.moved = Instant::now();
            match ready {
                Some(Ok(frame)) => self.keep(frame),
                Some(Err(_)) => {}
                None => self.ended = true,
            }
            self.ended |= self.source.is_end_stream();
        }
        polled.map(|ready| {
            ready.map(|result| {
                result.map_err(|error| {
                    let shown = BoxError::from(error.to_string());
                    self.failure = Some(error);
                    shown
                })
            })
        })
    }

    fn keep(&mut self, frame: &Frame<Bytes>) {
        let Some(kept) = &mut self.kept else { return };
        if let Some(data) = frame.data_ref() {
            kept.bytes = kept.bytes.saturating_add(data.len());
            kept.frames.push(Piece::Data(data.clone()));
        } else if let Some(trailers) = frame.trailers_ref() {
            kept.frames.push(Piece::Trailers(trailers.clone()));
        }
        if kept.bytes > REPLAY_BYTES_MAX || kept.frames.len() > REPLAY_FRAMES_MAX {
            self.kept = None;
        }
    }
}

/// The body of one try.
pub(super) struct Outgoing {
    upload: Option<Upload>,
    attempt: u32,
    position: usize,
}

impl Outgoing {
    /// No body.
    pub(super) fn empty() -> Self {
        Self {
            upload: None,
            attempt: 0,
            position: 0,
        }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        let Some(upload) = &this.upload else {
            return Poll::Ready(None);
        };
        let mut inner = upload.lock();
        if inner.attempt != this.attempt {
            return Poll::Ready(Some(Err("the request is sent again elsewhere".into())));
        }
        let kept = inner.kept.as_ref();
        if let Some(piece) = kept.and_then(|kept| kept.frames.get(this.position)).cloned() {
            this.position += 1;
            inner.moved = Instant::now();
            return Poll::Ready(Some(Ok(piece.frame())));
        }
        if inner.ended {
            return Poll::Ready(None);
        }
        let polled = inner.poll_source(cx);
        this.position += usize::from(matches!(polled, Poll::Ready(Some(Ok(_)))));
        polled
    }

    fn is_end_stream(&self) -> bool {
        let Some(upload) = &self.upload else { return true };
        let inner = upload.lock();
        let behind = inner
            .kept
            .as_ref()
            .is_some_and(|kept| self.position < kept.frames.len());
        inner.ended && !behind
    }

    fn size_hint(&self) -> SizeHint {
        match &self.upload {
            None => SizeHint::with_exact(0),
            Some(upload) if self.position == 0 => upload.hint,
            Some(_) => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use http_body_util::StreamBody;

    use super::*;

    type Scripted =
        StreamBody<futures_util::stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, BoxError>>>>;

    fn scripted(frames: Vec<Result<Frame<Bytes>, BoxError>>) -> Scripted {
        StreamBody::new(futures_util::stream::iter(frames))
    }

    async fn read(mut body: Outgoing) -> (Vec<u8>, Option<HeaderMap>) {
        let (mut bytes, mut trailers) = (Vec::new(), None);
        while let Some(frame) = body.frame().await {
            match frame.unwrap().into_data() {
                Ok(data) => bytes.extend_from_slice(&data),
                Err(frame) => trailers = frame.into_trailers().ok(),
            }
        }
        (bytes, trailers)
    }

    #[tokio::test]
    async fn a_small_body_is_sent_again_with_its_trailers() {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", "7".parse().unwrap());
        let upload = Upload::take(scripted(vec![
            Ok(Frame::data(Bytes::from_static(b"one "))),
            Ok(Frame::data(Bytes::from_static(b"two"))),
            Ok(Frame::trailers(trailers.clone())),
        ]))
        .unwrap();
        let mut first = upload.first(true);
        assert_eq!(first.frame().await.unwrap().unwrap().into_data().unwrap(), "one ");
        let second = upload.again().unwrap();
        assert_eq!(read(second).await, (b"one two".to_vec(), Some(trailers)));
        assert!(
            first.frame().await.unwrap().is_err(),
            "the first try must not read on"
        );
    }

    #[tokio::test]
    async fn a_large_body_is_not_kept() {
        let mut frames = VecDeque::new();
        for _ in 0..=REPLAY_BYTES_MAX / 1024 {
            frames.push_back(Ok(Frame::data(Bytes::from(vec![0; 1024]))));
        }
        let upload = Upload::take(scripted(frames.into())).unwrap();
        assert!(!upload.fits());
        let (bytes, _) = read(upload.first(true)).await;
        assert_eq!(bytes.len(), REPLAY_BYTES_MAX + 1024);
        assert!(upload.again().is_none());
    }

    #[tokio::test]
    async fn the_agents_error_is_told_once() {
        let upload = Upload::take(scripted(vec![Err("torn".into())])).unwrap();
        let mut body = upload.first(false);
        assert!(body.frame().await.unwrap().is_err());
        assert_eq!(upload.failure().unwrap().to_string(), "torn");
        assert!(upload.failure().is_none());
    }

    #[test]
    fn an_empty_body_needs_no_upload() {
        assert!(Upload::take(http_body_util::Empty::<Bytes>::new()).is_none());
        assert!(Outgoing::empty().is_end_stream());
    }
}
