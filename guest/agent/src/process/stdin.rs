//! A process's stdin: written in order, by whoever is connected, as fast as the process reads.

use crate::sys::watched;
use rustix::io::Errno;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{Mutex, Notify};

/// The end-of-file character of a terminal in its usual mode: Ctrl-D.
const END_OF_FILE: &[u8] = &[4];

/// There is a gap between what was accepted and what came.
#[derive(Debug)]
pub struct Gap {
    /// How many bytes were accepted.
    pub accepted: u64,
}

/// The writing end; closed for a process without a pipe.
pub struct Stdin {
    pipe: Mutex<Option<AsyncFd<OwnedFd>>>,
    terminal: bool,
    accepted: AtomicU64,
    open: AtomicBool,
    closing: Notify,
}

impl Stdin {
    /// Stdin over the non-blocking `pipe`, a terminal's master or a pipe's end.
    ///
    /// # Errors
    /// When the runtime cannot watch it.
    pub fn new(pipe: Option<OwnedFd>, terminal: bool) -> io::Result<Self> {
        let pipe = pipe.map(|pipe| watched(pipe, Interest::WRITABLE)).transpose()?;
        let open = AtomicBool::new(pipe.is_some());
        Ok(Self {
            pipe: Mutex::new(pipe),
            terminal,
            accepted: AtomicU64::new(0),
            open,
            closing: Notify::new(),
        })
    }

    /// That of a process that has ended, which had accepted so many bytes.
    #[must_use]
    pub fn gone(accepted: u64) -> Self {
        Self {
            pipe: Mutex::new(None),
            terminal: false,
            accepted: AtomicU64::new(accepted),
            open: AtomicBool::new(false),
            closing: Notify::new(),
        }
    }

    /// How many bytes were accepted.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Whether it accepts any.
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    /// Writes `data`, which belongs at `offset` or at the end of what was accepted. What nobody reads any longer is
    /// dropped. May be cancelled: `accepted` tells how far it came.
    ///
    /// # Errors
    /// `Gap` when `offset` is beyond what was accepted.
    pub async fn write(&self, offset: Option<u64>, data: &[u8]) -> Result<(), Gap> {
        let mut pipe = self.pipe.lock().await;
        // What was dropped is not accepted: a gap after it is none of the caller's.
        if pipe.is_none() {
            return Ok(());
        }
        let accepted = self.accepted();
        let repeated = match offset {
            None => 0,
            Some(offset) => accepted.checked_sub(offset).ok_or(Gap { accepted })?,
        };
        let mut rest = data.get(usize::try_from(repeated).unwrap_or(usize::MAX)..).unwrap_or_default();
        while !rest.is_empty()
            && let Some(fd) = pipe.as_ref()
        {
            if let Ok(written) = self.write_some(fd, rest).await {
                self.accepted.fetch_add(written as u64, Ordering::Relaxed);
                rest = &rest[written..];
            } else {
                // The other end is closed (EPIPE, or EIO of a terminal), or the process has ended.
                self.open.store(false, Ordering::Relaxed);
                *pipe = None;
            }
        }
        Ok(())
    }

    /// Ends it, after what is being written.
    pub async fn end(&self) {
        let mut pipe = self.pipe.lock().await;
        if let Some(fd) = pipe.as_ref().filter(|_| self.terminal) {
            // The terminal stays: it is the output too, and may be typed on again.
            let _ = self.write_some(fd, END_OF_FILE).await;
            return;
        }
        self.open.store(false, Ordering::Relaxed);
        *pipe = None;
    }

    /// Ends it at once, what is being written too: the process is gone.
    pub fn abandon(&self) {
        self.open.store(false, Ordering::Relaxed);
        self.closing.notify_waiters();
        if let Ok(mut pipe) = self.pipe.try_lock() {
            *pipe = None;
        }
    }

    async fn write_some(&self, fd: &AsyncFd<OwnedFd>, bytes: &[u8]) -> io::Result<usize> {
        let mut closing = std::pin::pin!(self.closing.notified());
        closing.as_mut().enable();
        if !self.is_open() {
            return Err(Errno::PIPE.into());
        }
        tokio::select! {
            result = fd.async_io(Interest::WRITABLE, |fd| Ok(rustix::io::write(fd, bytes)?)) => result,
            () = closing => Err(Errno::PIPE.into()),
        }
    }
}
