//! Daemons with routes, and waits that end.

use std::fmt::Write as _;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use murphy_testkit::daemon::{Daemon, DaemonBuilder};
use murphy_testkit::raw::RawClient;

/// Long enough for anything that is not a hang, on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A short answer.
pub(super) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A route with further lines of TOML.
pub(super) fn route(name: &str, path: &str, upstream: &str, more: &str) -> String {
    let mut text = String::new();
    write!(
        text,
        "[[routes]]\nname = \"{name}\"\npath = \"{path}\"\nupstream = \"{upstream}\"\n{more}\n"
    )
    .unwrap();
    text
}

/// A daemon that takes every path to one upstream.
pub(super) async fn proxy_to(upstream: &str) -> Daemon {
    configured("", upstream, "").await
}

/// A daemon that takes every path to one upstream, with TOML before the route and in the route.
pub(super) async fn configured(before: &str, upstream: &str, in_route: &str) -> Daemon {
    let config = format!("{before}\n{}", route("all", "/", upstream, in_route));
    start(DaemonBuilder::new().config(&config)).await
}

/// Starts a daemon.
pub(super) async fn start(builder: DaemonBuilder) -> Daemon {
    within("the start of murphy", builder.start()).await
}

/// The future's output; a failed test if it takes too long.
pub(super) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    within_time(PATIENCE, what, future).await
}

/// The same with another limit.
pub(super) async fn within_time<T>(limit: Duration, what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(limit, future).await {
        Ok(output) => output,
        Err(_) => panic!("{what} took longer than {limit:?}"),
    }
}

/// Waits for a condition that nothing signals.
pub(super) async fn until(what: &str, condition: impl Fn() -> bool) {
    within(what, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// A connected client.
pub(super) async fn client(addr: SocketAddr) -> RawClient {
    RawClient::connect(addr).await.expect("somebody listens")
}

/// A number from the environment, for runs that are longer than in CI.
pub(super) fn scaled(variable: &str, default: usize) -> usize {
    std::env::var(variable)
        .ok()
        .map_or(default, |text| text.parse().expect("a number"))
}

/// Whether the long runs are asked for.
pub(super) fn is_full() -> bool {
    std::env::var_os("MURPHY_FULL").is_some_and(|value| value == "1")
}
