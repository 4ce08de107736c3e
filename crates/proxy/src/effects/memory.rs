//! Earlier answers, kept on routes where a rule may give one again. Bounded in number, in size and in all.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use murphy_core::effect::Reply;

use crate::body::BoxBody;
use crate::error::Break;

/// How many answers are kept.
const ANSWERS_MAX: usize = 256;
/// How many bytes of bodies are kept in all.
const BYTES_MAX: usize = 64 << 20;
/// How many bytes one body may have.
const BODY_BYTES_MAX: usize = 1 << 20;

/// The first answer that each request got. The first, not the last: what is served again is then as old as it
/// can be, and stays the same however often the agent asks.
#[derive(Clone, Default)]
pub struct Memory {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    answers: HashMap<u64, Arc<Reply>>,
    bytes: usize,
}

impl Memory {
    /// The earlier answer to a request.
    #[must_use]
    pub fn recall(&self, key: u64) -> Option<Arc<Reply>> {
        self.kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .answers
            .get(&key)
            .cloned()
    }

    /// Keeps an answer unless there is one already or no room.
    fn keep(&self, key: u64, reply: Reply) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.answers.len() >= ANSWERS_MAX || kept.bytes + reply.body.len() > BYTES_MAX {
            return;
        }
        let size = reply.body.len();
        if let Entry::Vacant(free) = kept.answers.entry(key) {
            free.insert(Arc::new(reply));
            kept.bytes += size;
        }
    }

    /// Forgets everything: no rule can ask for an earlier answer any more.
    pub fn forget(&self) {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Kept::default();
    }

    /// Listens to a body on its way to the agent, and keeps the answer if it comes to a good end.
    #[must_use]
    pub fn listen(&self, key: u64, status: u16, headers: &HeaderMap, body: BoxBody) -> BoxBody {
        if !(200..300).contains(&status) || self.recall(key).is_some() {
            return body;
        }
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let reply = Reply {
            status,
            headers,
            body: Bytes::new(),
        };
        Box::pin(Listening {
            body,
            heard: Some((reply, BytesMut::new())),
            memory: self.clone(),
            key,
        })
    }
}

struct Listening {
    body: BoxBody,
    heard: Option<(Reply, BytesMut)>,
    memory: Memory,
    key: u64,
}

impl Listening {
    fn done(&mut self) {
        if let Some((mut reply, heard)) = self.heard.take() {
            reply.body = heard.freeze();
            self.memory.keep(self.key, reply);
        }
    }
}

impl Body for Listening {
    type Data = Bytes;
    type Error = Break;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Break>>> {
        let frame = ready!(self.body.as_mut().poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                if let (Some(data), Some((_, heard))) = (frame.data_ref(), &mut self.heard) {
                    heard.extend_from_slice(data);
                    if heard.len() > BODY_BYTES_MAX {
                        self.heard = None;
                    }
                }
                if self.body.is_end_stream() {
                    self.done();
                }
            }
            Some(Err(_)) => self.heard = None,
            None => self.done(),
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
