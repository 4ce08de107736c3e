//! Which runtimes there are, and nothing else: the one place where that choice is made.
//!
//! The data path has one current-thread runtime for each core. Each accepts from the same listening socket;
//! connections, and the upstream connections that serve them, stay on their core, so that the path of a request
//! has no lock that two cores want. The control API and the Director have a runtime of their own: a saturated
//! data path cannot delay a kill. The simulator has another: it plays a foreign service.

use std::future::Future;
use std::io;
use std::num::NonZero;
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Runtime};

/// How many workers the data path has: as asked, or one for each core.
pub(crate) fn workers(asked: usize) -> usize {
    match asked {
        0 => std::thread::available_parallelism().map_or(1, NonZero::get),
        asked => asked,
    }
}

/// The runtime of the control API and the Director.
pub(crate) fn control() -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("murphy-control")
        .enable_all()
        .build()
}

/// A thread with a runtime of its own, which runs what `make` gives until that ends.
pub(crate) fn thread<F>(name: &str, make: impl FnOnce() -> F + Send + 'static) -> io::Result<JoinHandle<()>>
where
    F: Future<Output = ()>,
{
    let runtime = Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || runtime.block_on(async { make().await }))
}
