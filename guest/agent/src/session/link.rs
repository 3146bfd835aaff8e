//! A byte stream over a file descriptor: a socket, or a virtio-serial port.

use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// How much later than a port's bytes the news may come that a host has come or gone: it has a queue of its own in the
/// device, and a worker of its own in the kernel.
pub const NEWS: Duration = Duration::from_millis(200);

/// A non-blocking byte stream. Reading and writing take `&self`, so that a session can be dropped and the next one use
/// the same link.
pub enum Link {
    /// The runtime watches the socket itself.
    Socket(AsyncFd<OwnedFd>),
    /// The runtime watches an edge-triggered epoll instance that watches the port. A port without a host at its other
    /// end is in the state `POLLHUP` all the time, which the runtime would take for an event all the time.
    Port { port: OwnedFd, edges: AsyncFd<OwnedFd> },
    /// A port that a test plays.
    #[cfg(test)]
    Played(std::sync::Arc<super::played::Port>),
}

impl Link {
    /// A link over a connected, non-blocking stream socket.
    ///
    /// # Errors
    /// When the runtime cannot watch it.
    pub fn socket(fd: OwnedFd) -> io::Result<Self> {
        Ok(Self::Socket(crate::sys::watched(fd, Interest::READABLE | Interest::WRITABLE)?))
    }

    /// A link over a non-blocking virtio-serial port: its end of file is a host that went, and another may come.
    ///
    /// # Errors
    /// When epoll refuses it.
    pub fn port(port: OwnedFd) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let events = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
        epoll::add(&epoll, &port, epoll::EventData::new_u64(0), events)?;
        let edges = crate::sys::watched(epoll, Interest::READABLE)?;
        Ok(Self::Port { port, edges })
    }

    /// Whether another host may come after the end of file.
    #[must_use]
    pub fn is_endless(&self) -> bool {
        !matches!(self, Self::Socket(_))
    }

    /// Reads what is there; 0 at the end of file.
    pub fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        #[cfg(test)]
        if let Self::Played(port) = self {
            return port.poll_read(cx, buffer);
        }
        self.poll(cx, Interest::READABLE, |fd| rustix::io::read(fd, &mut *buffer))
    }

    /// Reads what is there beyond what was just read, without waiting: a port gives 4 KiB at once, however much it has.
    pub fn read_more(&self, buffer: &mut [u8]) -> usize {
        let Self::Port { port, .. } = self else { return 0 };
        let mut filled = 0;
        while filled < buffer.len() {
            // An error comes again with the next read.
            match rustix::io::read(port, &mut buffer[filled..]) {
                Ok(count) if count > 0 => filled += count,
                Ok(_) | Err(_) => break,
            }
        }
        filled
    }

    /// Writes what there is room for.
    pub fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        #[cfg(test)]
        if let Self::Played(port) = self {
            return port.poll_write(cx, bytes);
        }
        self.poll(cx, Interest::WRITABLE, |fd| match rustix::io::write(fd, bytes) {
            // A port has no room also where there is nobody any more: waiting for that one would keep the next waiting.
            Err(Errno::AGAIN) if self.is_endless() && is_left(fd) => Err(Errno::PIPE),
            result => result,
        })
    }

    /// Reads what is there.
    ///
    /// # Errors
    /// The kernel's.
    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        std::future::poll_fn(|cx| self.poll_read(cx, buffer)).await
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// The kernel's.
    pub async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = std::future::poll_fn(|cx| self.poll_write(cx, bytes)).await?;
            bytes = &bytes[written..];
        }
        Ok(())
    }

    /// Writes what there is room for now, if there is any.
    pub fn write_now(&self, bytes: &[u8]) {
        let _ = self.poll_write(&mut Context::from_waker(Waker::noop()), bytes);
    }

    /// Waits until something about the descriptor changes.
    ///
    /// # Errors
    /// The runtime's, when it stops.
    pub async fn changed(&self) -> io::Result<()> {
        std::future::poll_fn(|cx| self.poll_changed(cx)).await
    }

    /// Consumes one notice of a change.
    pub fn poll_changed(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        #[cfg(test)]
        if let Self::Played(port) = self {
            return port.poll_changed(cx);
        }
        self.poll_ready(cx, Interest::READABLE)
    }

    fn poll(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        mut attempt: impl FnMut(BorrowedFd<'_>) -> rustix::io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let fd = match self {
            Self::Socket(fd) => fd.as_fd(),
            Self::Port { port, .. } => port.as_fd(),
            #[cfg(test)]
            Self::Played(_) => unreachable!("a played port has no descriptor"),
        };
        loop {
            match attempt(fd) {
                Err(Errno::AGAIN) => ready!(self.poll_ready(cx, interest))?,
                Err(Errno::INTR) => {}
                result => return Poll::Ready(result.map_err(io::Error::from)),
            }
        }
    }

    /// Consumes one notice of readiness.
    fn poll_ready(&self, cx: &mut Context<'_>, interest: Interest) -> Poll<io::Result<()>> {
        match self {
            Self::Socket(fd) if interest.is_writable() => {
                ready!(fd.poll_write_ready(cx))?.clear_ready();
            }
            Self::Socket(fd) => ready!(fd.poll_read_ready(cx))?.clear_ready(),
            Self::Port { edges, .. } => {
                // The event is taken before the flag is cleared: one that comes between the two is tried at once by
                // the caller, one that comes later wakes it.
                let mut guard = ready!(edges.poll_read_ready(cx))?;
                let mut events =
                    [epoll::Event { flags: epoll::EventFlags::empty(), data: epoll::EventData::new_u64(0) }];
                epoll::wait(edges, &mut events, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
                guard.clear_ready();
            }
            #[cfg(test)]
            Self::Played(_) => unreachable!("a played port has no descriptor"),
        }
        Poll::Ready(Ok(()))
    }
}

/// Whether nobody is at the other end of a port.
fn is_left(port: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::new(&port, PollFlags::empty())];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut fds, Some(&now)).is_ok() && fds[0].revents().contains(PollFlags::HUP)
}
