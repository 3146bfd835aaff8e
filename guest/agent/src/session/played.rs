//! A virtio-serial port as QEMU and the kernel's driver make one, for tests: bytes and the news of hosts take ways of
//! their own, and what comes first is the test's to say.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The port.
#[derive(Default)]
pub struct Port(Mutex<State>);

#[derive(Default)]
struct State {
    /// Whether a host is there.
    occupied: bool,
    /// Whether the driver believes so.
    believed: bool,
    /// News that the driver has not heard.
    news: VecDeque<bool>,
    input: VecDeque<u8>,
    output: Vec<u8>,
    /// How much the host takes before it reads.
    room: usize,
    edge: bool,
    waker: Option<Waker>,
}

impl State {
    fn wake(&mut self) {
        self.edge = true;
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Port {
    /// A port that nobody is connected to.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A host comes; the news of it waits.
    pub fn come(&self) {
        let mut state = self.state();
        assert!(!std::mem::replace(&mut state.occupied, true), "a port has one host at a time");
        state.output.clear();
        state.room = usize::MAX;
        state.news.push_back(true);
    }

    /// The host goes, and what it has not read is lost; the news of it waits.
    pub fn go(&self) {
        let mut state = self.state();
        assert!(std::mem::replace(&mut state.occupied, false), "there is a host");
        state.news.push_back(false);
    }

    /// Loses the oldest news that waits, as QEMU does where the guest has left no room for it.
    pub fn lose_news(&self) {
        self.state().news.pop_front();
    }

    /// The driver hears the oldest news that waits; false where there is none.
    pub fn tell(&self) -> bool {
        let mut state = self.state();
        let Some(believed) = state.news.pop_front() else { return false };
        state.believed = believed;
        state.wake();
        true
    }

    /// The host says something.
    pub fn say(&self, bytes: &[u8]) {
        let mut state = self.state();
        state.input.extend(bytes);
        state.wake();
    }

    /// What the host has heard.
    #[must_use]
    pub fn heard(&self) -> Vec<u8> {
        self.state().output.clone()
    }

    /// From now on the host takes so many bytes and no more.
    pub fn stop_reading_after(&self, room: usize) {
        self.state().room = room;
    }

    /// What is there; 0 where the driver knows of no host.
    pub fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut state = self.state();
        if state.input.is_empty() {
            if !state.believed {
                return Poll::Ready(Ok(0));
            }
            state.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = buffer.len().min(state.input.len());
        for (slot, byte) in buffer.iter_mut().zip(state.input.drain(..count)) {
            *slot = byte;
        }
        Poll::Ready(Ok(count))
    }

    /// Where the driver knows of a host, takes as much as it has room for: it is lost where there is none in truth.
    pub fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.state();
        if !state.believed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if !state.occupied {
            return Poll::Ready(Ok(bytes.len()));
        }
        let count = bytes.len().min(state.room);
        if count == 0 {
            state.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        state.room -= count;
        state.output.extend_from_slice(&bytes[..count]);
        Poll::Ready(Ok(count))
    }

    /// Takes one notice of a change.
    pub fn poll_changed(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state();
        if std::mem::take(&mut state.edge) {
            return Poll::Ready(Ok(()));
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}
