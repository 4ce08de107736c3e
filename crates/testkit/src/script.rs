//! What a scripted peer does on a connection, and the signals by which it and a test wait for each other.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

/// Something that happens once and stays so: by it a test and a script wait for each other.
#[derive(Debug, Clone)]
pub struct Signal(Arc<watch::Sender<bool>>);

impl Default for Signal {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Signal {
    /// A signal that was not given yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives it.
    pub fn fire(&self) {
        self.0.send_replace(true);
    }

    /// Whether it was given.
    #[must_use]
    pub fn fired(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is given.
    pub async fn wait(&self) {
        let mut given = self.0.subscribe();
        given.wait_for(|given| *given).await.expect("the sender lives");
    }
}

/// What a peer does on one connection, in order. When the steps are through it closes.
#[derive(Debug, Clone, Default)]
pub struct Script {
    pub(crate) steps: Vec<Step>,
}

#[derive(Debug, Clone)]
pub(crate) enum Step {
    ReadHead,
    ReadRequest,
    Send(Bytes),
    Sleep(Duration),
    Wait(Signal),
    Tell(Signal),
    ReadUntilLeft,
    HalfClose,
    Reset,
    Hold,
    Again,
}

impl Script {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers each request with these bytes until the client leaves.
    #[must_use]
    pub fn answering(response: impl AsRef<[u8]>) -> Self {
        Self::new().read_request().send(response).again()
    }

    /// Reads a request's head and leaves its body unread.
    #[must_use]
    pub fn read_head(self) -> Self {
        self.then(Step::ReadHead)
    }

    /// Reads a request with its body.
    #[must_use]
    pub fn read_request(self) -> Self {
        self.then(Step::ReadRequest)
    }

    /// Sends bytes as they are. That the client has left is no failure.
    #[must_use]
    pub fn send(self, bytes: impl AsRef<[u8]>) -> Self {
        self.then(Step::Send(Bytes::copy_from_slice(bytes.as_ref())))
    }

    /// Does nothing for a while: the slowness of a real peer, in paused or real time.
    #[must_use]
    pub fn sleep(self, duration: Duration) -> Self {
        self.then(Step::Sleep(duration))
    }

    /// Waits for the test.
    #[must_use]
    pub fn wait(self, signal: &Signal) -> Self {
        self.then(Step::Wait(signal.clone()))
    }

    /// Tells the test that the script has come here.
    #[must_use]
    pub fn tell(self, signal: &Signal) -> Self {
        self.then(Step::Tell(signal.clone()))
    }

    /// Reads until the client leaves; how it left is in [`Seen::end`](crate::peer::Seen::end).
    #[must_use]
    pub fn read_until_left(self) -> Self {
        self.then(Step::ReadUntilLeft)
    }

    /// Closes the writing half and goes on with the script.
    #[must_use]
    pub fn half_close(self) -> Self {
        self.then(Step::HalfClose)
    }

    /// Ends with a RST.
    #[must_use]
    pub fn reset(self) -> Self {
        self.then(Step::Reset)
    }

    /// Keeps the connection open and does nothing until the peer is stopped.
    #[must_use]
    pub fn hold(self) -> Self {
        self.then(Step::Hold)
    }

    /// Starts over, unless the client has left.
    #[must_use]
    pub fn again(self) -> Self {
        self.then(Step::Again)
    }

    fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

/// Which script runs on which connection.
#[derive(Debug, Clone)]
pub enum Scripts {
    /// The same on each.
    Each(Script),
    /// One after the other; a further connection is a failure, and so is one too few when the peer is joined.
    InOrder(Vec<Script>),
}
