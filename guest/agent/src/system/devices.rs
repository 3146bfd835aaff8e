//! Waits for devices: the kernel's announcements of them, so that nobody has to look again and again.

use crate::errors::invalid;
use rustix::io::Errno;
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, timeout_at};
use tonic::Status;

/// The kernel's own announcements, not a device manager's.
const KERNEL_GROUP: u32 = 1;

/// Hears of every device that came, went or got a driver since it was opened.
struct DeviceEvents(AsyncFd<OwnedFd>);

impl DeviceEvents {
    fn open() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(KOBJECT_UEVENT))?;
        bind(&socket, &SocketAddrNetlink::new(0, KERNEL_GROUP))?;
        Ok(Self(crate::sys::watched(socket, Interest::READABLE)?))
    }

    /// Waits until something has changed, and takes all that is known by then.
    async fn changed(&self) -> io::Result<()> {
        let mut guard = self.0.readable().await?;
        let mut event = [0; 8192];
        // An overrun ends this as an error does; it is news too.
        while !matches!(recv(self.0.get_ref(), &mut event[..], RecvFlags::DONTWAIT), Err(Errno::AGAIN)) {}
        guard.clear_ready();
        Ok(())
    }
}

/// The longest wait that may be asked for.
const MAX_WAIT_MS: u32 = 60_000;

/// A wait that a caller asks for.
///
/// # Errors
/// `INVALID_ARGUMENT`.
pub fn patience(wait_ms: u32) -> Result<Duration, Status> {
    if wait_ms > MAX_WAIT_MS {
        return Err(invalid(format!("wait_ms is at most {MAX_WAIT_MS}: {wait_ms}")));
    }
    Ok(Duration::from_millis(wait_ms.into()))
}

/// Tries until it works, fails for another reason than a device that may still come, or has been tried for long enough:
/// at once, and again whenever something about a device has changed.
///
/// # Errors
/// The last attempt's, or the runtime's.
pub async fn retry<T, F: Future<Output = io::Result<T>>>(
    patience: Duration,
    mut attempt: impl FnMut() -> F,
) -> io::Result<T> {
    if patience.is_zero() {
        return attempt().await;
    }
    let until = Instant::now() + patience;
    let events = DeviceEvents::open()?;
    loop {
        match attempt().await {
            Err(error) if may_come(&error) => match timeout_at(until, events.changed()).await {
                Ok(changed) => changed?,
                Err(_) => return Err(error),
            },
            result => return result,
        }
    }
}

/// Whether a mount failed because there is no such device, which may still come.
fn may_come(error: &io::Error) -> bool {
    // A tag that no virtiofs device has is EINVAL, one that no 9p device has ENOENT, a driver that is missing ENODEV.
    let known = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(known, Some(Errno::NODEV | Errno::NXIO | Errno::NOENT | Errno::INVAL | Errno::NOTBLK))
}
