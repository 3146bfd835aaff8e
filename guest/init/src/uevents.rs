//! The kernel's announcements of devices, so that waiting for one needs no clock.

use crate::sys;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

/// Larger than any announcement: the kernel's own buffer for one is 2 KiB.
const MAX_EVENT_BYTES: usize = 8192;

/// A socket that hears of every device that appears after it was opened.
pub struct Uevents(File);

impl Uevents {
    pub fn open() -> io::Result<Self> {
        sys::open_uevents().map(Self)
    }

    /// Waits until something about a device has changed, and takes all that is known by then; `false` once `deadline`
    /// has passed.
    pub fn wait(&mut self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        let [heard] = sys::wait_readable([Some(self.descriptor())], Some(left));
        self.drain();
        heard
    }

    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Forgets what has been heard: the caller looks at the devices themselves.
    pub fn drain(&mut self) {
        let mut event = [0; MAX_EVENT_BYTES];
        // An overrun ends this as an error does; it is news too.
        while matches!(self.0.read(&mut event), Ok(length) if length > 0) {}
    }
}
