//! A session's view of its link: ends when the host starts another session on it, and not before its host is gone.
//!
//! The news of a host's coming and going may be later than its bytes. A session that has just begun may so be told that
//! its host is gone: of the one before it. So that news ends a session only if no other follows.

use super::link::{Link, NEWS};
use super::watch::{FrameWatch, Verdict};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// How long nothing may follow a suspected hello before it is believed. The host waits 500 ms for an answer.
const SILENCE: Duration = Duration::from_millis(150);

/// Bytes that were read but belong to what comes after the session (or before it, to what was already read).
pub type Leftover = Arc<Mutex<Vec<u8>>>;

/// The link as HTTP/2 sees it.
pub struct SessionIo {
    link: Arc<Link>,
    /// What the handshake read beyond the hello, then what a session read beyond its own end.
    leftover: Leftover,
    watch: FrameWatch,
    silence: Option<Pin<Box<Sleep>>>,
    /// Where the host seems to be gone: when that is believed.
    departure: Option<Pin<Box<Sleep>>>,
    /// Counts what was heard of the host.
    heard: Arc<AtomicU64>,
}

impl SessionIo {
    /// A session on `link` whose first bytes are already in `leftover`.
    #[must_use]
    pub fn new(link: Arc<Link>, leftover: Leftover) -> Self {
        let heard = Arc::default();
        Self { link, leftover, watch: FrameWatch::default(), silence: None, departure: None, heard }
    }

    /// A count that changes with whatever comes from the host.
    #[must_use]
    pub fn heard(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.heard)
    }

    fn set_leftover(&self, bytes: Vec<u8>) {
        *self.leftover.lock().unwrap_or_else(PoisonError::into_inner) = bytes;
    }

    fn take_leftover(&self, limit: usize) -> Vec<u8> {
        let mut leftover = self.leftover.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = leftover.len().min(limit);
        leftover.drain(..taken).collect()
    }

    /// Looks at what was read; an error when it is the next session's.
    fn judge(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.heard.fetch_add(1, Ordering::Relaxed);
        match self.watch.push(bytes) {
            Verdict::Session => self.silence = None,
            Verdict::Suspect => self.silence = Some(Box::pin(sleep(SILENCE))),
            Verdict::Over(index) => {
                let mut next = bytes[index..].to_vec();
                next.append(&mut self.take_leftover(usize::MAX));
                self.set_leftover(next);
                return Err(io::ErrorKind::ConnectionReset.into());
            }
        }
        Ok(())
    }

    /// The host seems to be gone: ready once that is believed, or with `false` once there is other news.
    fn poll_departure(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        if !self.link.is_endless() {
            return Poll::Ready(Ok(true));
        }
        if self.departure.is_none() {
            self.watch.interrupt();
        }
        let departure = self.departure.get_or_insert_with(|| Box::pin(sleep(NEWS)));
        if departure.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(true));
        }
        self.link.poll_changed(cx).map_ok(|()| false)
    }

    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(silence) = &mut self.silence else {
            return Poll::Pending;
        };
        ready!(silence.as_mut().poll(cx));
        self.set_leftover(self.watch.suspected_hello().to_vec());
        Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
    }
}

impl AsyncRead for SessionIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let early = self.take_leftover(buffer.remaining());
        if !early.is_empty() {
            self.judge(&early)?;
            buffer.put_slice(&early);
            return Poll::Ready(Ok(()));
        }
        let link = Arc::clone(&self.link);
        loop {
            let Poll::Ready(count) = link.poll_read(cx, buffer.initialize_unfilled()) else {
                self.departure = None;
                return self.poll_silence(cx);
            };
            let mut count = count?;
            if count == 0 {
                match self.poll_departure(cx)? {
                    Poll::Ready(true) => return Poll::Ready(Ok(())),
                    Poll::Ready(false) => continue,
                    Poll::Pending => return self.poll_silence(cx),
                }
            }
            count += link.read_more(&mut buffer.initialize_unfilled()[count..]);
            self.judge(&buffer.initialize_unfilled()[..count])?;
            buffer.advance(count);
            return Poll::Ready(Ok(()));
        }
    }
}

impl AsyncWrite for SessionIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let link = Arc::clone(&self.link);
        loop {
            match link.poll_write(cx, bytes) {
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                    if ready!(self.poll_departure(cx))? {
                        return Poll::Ready(Err(error));
                    }
                }
                outcome => {
                    self.departure = None;
                    return outcome;
                }
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
