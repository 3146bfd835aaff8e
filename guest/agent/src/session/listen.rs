//! Listens on sockets: a Unix socket for tests and containers, vsock where there is one.

use super::Sessions;
use super::link::Link;
use rustix::net::SocketFlags;
use rustix::net::sockopt;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::Interest;
use tokio::sync::Semaphore;

/// How many connections each socket has at once; further ones wait to be accepted.
const MAX_CONNECTIONS: usize = 32;
/// How many wait to be accepted.
const BACKLOG: i32 = 32;

/// A listening Unix socket at `path`, which only its owner may connect to. A stale socket is replaced.
///
/// # Errors
/// The kernel's.
pub fn unix(path: &Path) -> io::Result<OwnedFd> {
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(
        rustix::net::AddressFamily::UNIX,
        rustix::net::SocketType::STREAM,
        flags,
        None,
    )?;
    rustix::net::bind(&socket, &rustix::net::SocketAddrUnix::new(path)?)?;
    rustix::fs::chmod(path, rustix::fs::Mode::from_raw_mode(0o600))?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// A listening vsock socket on `port`, of any context id.
///
/// # Errors
/// The kernel's: EAFNOSUPPORT or EADDRNOTAVAIL where there is no vsock.
pub fn vsock(port: u32) -> io::Result<OwnedFd> {
    let socket = crate::sys::vsock_socket(port)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// Serves every connection to a listening socket, for ever.
///
/// # Errors
/// When the socket cannot be watched.
pub async fn serve_socket(socket: OwnedFd, sessions: Arc<Sessions>) -> io::Result<()> {
    let socket = crate::sys::watched(socket, Interest::READABLE)?;
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return Ok(());
        };
        let connection = socket
            .async_io(Interest::READABLE, |fd| {
                let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
                rustix::net::accept_with(fd, flags).map_err(io::Error::from)
            })
            .await;
        let connection = match connection {
            Ok(connection) => connection,
            // The peer went before it was accepted.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            // Out of descriptors or memory: others must give some back first, and nothing tells when they have.
            Err(error) => {
                crate::log(format_args!("error accept: {error}"));
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // Larger buffers halve the wake-ups of a bulk copy; a refusal leaves the defaults.
        let _ = sockopt::set_socket_send_buffer_size(&connection, 256 * 1024);
        let sessions = Arc::clone(&sessions);
        tokio::spawn(async move {
            if let Ok(link) = Link::socket(connection) {
                sessions.serve(link).await;
            }
            drop(place);
        });
    }
}
