//! Idle connections: each has had one request and stays open.

use std::time::Duration;

use tokio::task::JoinSet;

use super::{Aim, all};
use crate::Void;
use crate::client::Connection;

/// How many of them have their request at once: the upstream connections that a proxy keeps are few against the
/// connections themselves.
const AT_ONCE: usize = 16;

/// Opens so many connections, with one request on each.
///
/// # Errors
/// If one is refused or its answer is wrong.
pub async fn open(
    aim: &Aim,
    connections: usize,
    path: &str,
    body_bytes: usize,
) -> Result<Vec<Connection>, Void> {
    let mut tasks = JoinSet::new();
    for nth in 0..AT_ONCE {
        let (aim, request) = (aim.clone(), aim.get(path));
        let share = (connections + AT_ONCE - 1 - nth) / AT_ONCE;
        tasks.spawn(async move {
            let mut opened = Vec::with_capacity(share);
            for _ in 0..share {
                let mut connection = Connection::open(aim.addr).await?;
                connection.exchange(&request, |_| ()).await?.expect(body_bytes)?;
                opened.push(connection);
            }
            Ok(opened)
        });
    }
    let opened = all(tasks, Duration::ZERO).await?;
    Ok(opened.into_iter().flatten().collect())
}
