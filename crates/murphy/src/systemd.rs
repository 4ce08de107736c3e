//! What systemd is told, if it listens (`NOTIFY_SOCKET`): ready, reloading, stopping, and that the daemon is alive.
//!
//! The watchdog does not tick by itself. A beat is sent only after the Director's loop and every worker of the data
//! path have answered a ping: a daemon whose API answers while its workers hang is not alive.

use std::future::Future;
use std::time::Duration;

use murphy_director::Handle;
use murphy_director::view::StatusView;
use sd_notify::NotifyState;
use tokio::sync::{mpsc, oneshot};

/// The longest line that `systemctl status` is given.
const STATUS_CHARS_MAX: usize = 200;

/// A worker's end of the pings: it answers for as long as its runtime turns.
pub(crate) struct Pulse(mpsc::Receiver<oneshot::Sender<()>>);

impl Pulse {
    /// Answers every ping; never ends before the other side does.
    pub(crate) async fn answer(mut self) {
        while let Some(reply) = self.0.recv().await {
            let _whoever_asked_may_have_given_up = reply.send(());
        }
    }
}

/// The other end: one for each worker.
#[derive(Debug, Default)]
pub(crate) struct Pulses(Vec<mpsc::Sender<oneshot::Sender<()>>>);

impl Pulses {
    /// The pulse of one more worker.
    pub(crate) fn add(&mut self) -> Pulse {
        let (ask, asked) = mpsc::channel(1);
        self.0.push(ask);
        Pulse(asked)
    }

    /// Returns once every worker has answered. One that has ended, as all do in a drain, need not.
    async fn all(&self) {
        for worker in &self.0 {
            let (reply, answer) = oneshot::channel();
            if worker.send(reply).await.is_ok() {
                let _answered_or_ended = answer.await;
            }
        }
    }
}

/// Ready, with a line for `systemctl status`.
pub(crate) fn ready(status: &StatusView) {
    tell(&[NotifyState::Ready, NotifyState::Status(&in_a_line(status))]);
}

/// A reload begins: one message with the time, as `Type=notify-reload` wants it.
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "no monotonic time: systemd is not told of the reload"),
    }
}

/// The stop begins.
pub(crate) fn stopping() {
    tell(&[
        NotifyState::Stopping,
        NotifyState::Status("draining: calls in flight may end"),
    ]);
}

/// Beats for as long as everything answers, at least twice in the time that `WatchdogSec=` allows, with the line for
/// `systemctl status`. Returns at once where systemd expects no beats.
pub(crate) async fn watchdog(director: Handle, pulses: Pulses) {
    let Some(quarter) = sd_notify::watchdog_enabled().map(|limit| limit / 4) else {
        return;
    };
    if quarter.is_zero() {
        return;
    }
    loop {
        let asked = async { director.ping().await.is_ok() };
        if alive(asked, &pulses, quarter).await {
            let status = in_a_line(&director.status());
            tell(&[NotifyState::Watchdog, NotifyState::Status(&status)]);
        } else {
            tracing::error!("the watchdog gets no beat: not every part of the daemon answers");
        }
        tokio::time::sleep(quarter).await;
    }
}

/// Whether the Director and all workers answer within this time.
async fn alive(director: impl Future<Output = bool>, pulses: &Pulses, limit: Duration) -> bool {
    let answers = async {
        let director = director.await;
        pulses.all().await;
        director
    };
    tokio::time::timeout(limit, answers).await.unwrap_or(false)
}

fn in_a_line(status: &StatusView) -> String {
    let switch = format!("{:?}", status.kill_switch.state).to_lowercase();
    let reload = if status.reload.ok {
        ""
    } else {
        ", the last reload was refused"
    };
    let line = format!(
        "proxy {}, control {}, {} routes, {} of {} scenarios on, kill switch {switch}{reload}",
        status.listeners.proxy,
        status.listeners.control,
        status.routes,
        status.active.len(),
        status.scenarios,
    );
    line.chars()
        .filter(|c| !c.is_control())
        .take(STATUS_CHARS_MAX)
        .collect()
}

/// Nobody minds if systemd does not listen.
fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "systemd was not told");
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn a_beat_needs_the_answer_of_every_worker() {
        let mut pulses = Pulses::default();
        tokio::spawn(pulses.add().answer());
        let hung = pulses.add();
        assert!(
            !alive(ready(true), &pulses, LIMIT).await,
            "a worker that never polls"
        );
        // The ping that was given up still waits in its queue; the worker answers it and the next.
        tokio::spawn(hung.answer());
        assert!(alive(ready(true), &pulses, LIMIT).await, "it turns again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_has_ended_is_not_one_that_hangs() {
        let mut pulses = Pulses::default();
        drop(pulses.add());
        tokio::spawn(pulses.add().answer());
        assert!(alive(ready(true), &pulses, LIMIT).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_beat_needs_the_director() {
        assert!(
            !alive(ready(false), &Pulses::default(), LIMIT).await,
            "it is gone"
        );
        assert!(!alive(pending(), &Pulses::default(), LIMIT).await, "it hangs");
        assert!(alive(ready(true), &Pulses::default(), LIMIT).await);
    }
}
