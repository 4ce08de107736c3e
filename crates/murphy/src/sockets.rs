//! Listening sockets: bound here, or handed over by systemd.

use std::net::{SocketAddr, TcpListener};

use listenfd::ListenFd;
use socket2::{Domain, Protocol, Socket, Type};

/// The sockets of the two listeners.
pub(crate) struct Sockets {
    pub(crate) proxy: TcpListener,
    pub(crate) control: TcpListener,
}

impl Sockets {
    /// Takes the sockets that systemd handed over (the proxy's first, then the control API's), and binds those
    /// that it did not.
    ///
    /// # Errors
    /// Which address could not be bound, and why.
    pub(crate) fn open(proxy: SocketAddr, control: SocketAddr) -> Result<Self, String> {
        let mut handed = ListenFd::from_env();
        let (first, second) = (take(&mut handed, 0)?, take(&mut handed, 1)?);
        Ok(Self {
            proxy: first.map_or_else(|| bind(proxy, "proxy.listen"), Ok)?,
            control: second.map_or_else(|| bind(control, "control.listen"), Ok)?,
        })
    }
}

/// The nth of the sockets that were handed over, if there are so many. systemd hands them over as blocking ones.
fn take(handed: &mut ListenFd, nth: usize) -> Result<Option<TcpListener>, String> {
    let mut taken = || {
        let listener = handed.take_tcp_listener(nth)?;
        if let Some(listener) = &listener {
            listener.set_nonblocking(true)?;
        }
        Ok(listener)
    };
    taken().map_err(|error: std::io::Error| format!("socket {nth} of LISTEN_FDS: {error}"))
}

/// Connections that may wait to be accepted; the system lowers it to its own limit.
const BACKLOG: i32 = 4_096;

fn bind(address: SocketAddr, setting: &str) -> Result<TcpListener, String> {
    let bind = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(TcpListener::from(socket))
    };
    bind().map_err(|error: std::io::Error| format!("{setting}: cannot listen on {address}: {error}"))
}
