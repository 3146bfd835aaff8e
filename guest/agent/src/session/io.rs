//! A session's view of its link: ends when the host starts another session on it.

use super::link::Link;
use super::watch::{FrameWatch, Verdict};
use std::io;
use std::pin::Pin;
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
}

impl SessionIo {
    /// A session on `link` whose first bytes are already in `leftover`.
    #[must_use]
    pub fn new(link: Arc<Link>, leftover: Leftover) -> Self {
        Self { link, leftover, watch: FrameWatch::default(), silence: None }
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
        match link.poll_read(cx, buffer.initialize_unfilled()) {
            Poll::Ready(count) => {
                let mut count = count?;
                if count > 0 {
                    count += link.read_more(&mut buffer.initialize_unfilled()[count..]);
                }
                let bytes = &buffer.initialize_unfilled()[..count];
                self.judge(bytes)?;
                buffer.advance(count);
                Poll::Ready(Ok(()))
            }
            Poll::Pending => {
                let Some(silence) = &mut self.silence else {
                    return Poll::Pending;
                };
                ready!(silence.as_mut().poll(cx));
                self.set_leftover(self.watch.suspected_hello().to_vec());
                Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
            }
        }
    }
}

impl AsyncWrite for SessionIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.link.poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
