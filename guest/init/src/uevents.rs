//! The kernel's announcements of devices, so that waiting for one needs no clock.

use crate::sys;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

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
        let left: Duration = deadline.saturating_duration_since(Instant::now());
        let [heard] = sys::wait_readable([Some(self.0.as_fd())], Some(left));
        let mut event = [0; MAX_EVENT_BYTES];
        // An overrun (ENOBUFS) is news too: the caller looks at everything again in any case.
        while matches!(self.0.read(&mut event), Ok(length) if length > 0) {}
        heard
    }
}
