//! Sessions: one HTTP/2 connection after another on a link, each after a handshake.

pub mod hello;
pub mod io;
pub mod link;
pub mod listen;
#[cfg(test)]
mod played;
pub mod ports;
pub mod silence;
#[cfg(test)]
mod tests;
pub mod watch;

use crate::dispatch::Dispatch;
use crate::state::Guest;
use hello::HelloScanner;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use io::{Leftover, SessionIo};
use link::{Link, NEWS};
use silence::{fallen_silent, reminder};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How many calls a session may have under way.
const MAX_CALLS: u32 = 256;
/// How much a call may send before the agent has taken it.
const CALL_WINDOW: u32 = 256 * 1024;
/// How much all calls of a session may send before the agent has taken it.
const SESSION_WINDOW: u32 = 1024 * 1024;
/// How much of an answer may wait for the host per call.
const SEND_BUFFER: usize = 128 * 1024;
/// How long a session that is asked to end may take to write what it has.
const FAREWELL: Duration = Duration::from_millis(100);
/// How long a port that fails is left alone.
const PORT_PAUSE: Duration = Duration::from_millis(100);
/// hyper's own bound, which is of no use: it goes by a clock that jumps, and takes leave of a host that reads nothing.
const NEVER: Duration = Duration::from_secs(1 << 30);

/// GOAWAY (RFC 9113, section 6.8) with `INTERNAL_ERROR`: any of the streams may have been served.
const NO_SESSION: &[u8] = &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 2];

/// What all sessions share.
pub struct Sessions {
    dispatch: Dispatch,
    open: Arc<AtomicU32>,
    guest: Arc<Guest>,
    /// How long a host may be silent.
    patience: Duration,
}

/// Counts a session while it lasts.
struct Open(Arc<AtomicU32>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Sessions {
    /// Sessions of `guest` that serve `dispatch`, are counted in `open`, and end when their host has been silent for as
    /// long as `patience` says.
    #[must_use]
    pub fn new(dispatch: Dispatch, open: Arc<AtomicU32>, guest: Arc<Guest>, patience: Duration) -> Self {
        Self { dispatch, open, guest, patience }
    }

    /// Serves a link until its end: a socket's is its end of file, a port's is its removal.
    pub async fn serve(&self, link: Link) {
        let link = Arc::new(link);
        let leftover = Leftover::default();
        loop {
            match self.greeted(&link, &leftover).await {
                Ok(true) => self.session(&link, &leftover).await,
                // Without memory for a moment, say: the next host may have better luck.
                Err(error) if link.is_endless() && !is_removed(&error) => {
                    crate::log(format_args!("error port: {error}"));
                    tokio::time::sleep(PORT_PAUSE).await;
                }
                Ok(false) | Err(_) => return,
            }
        }
    }

    /// Waits for a hello; false at the link's end. A connection of a socket has one in time, or is none.
    async fn greeted(&self, link: &Link, leftover: &Leftover) -> std::io::Result<bool> {
        if link.is_endless() {
            return handshake(link, leftover, &self.guest).await;
        }
        tokio::time::timeout(self.patience, handshake(link, leftover, &self.guest)).await.unwrap_or(Ok(false))
    }

    /// One session. How it ended does not matter: what comes next is another hello.
    async fn session(&self, link: &Arc<Link>, leftover: &Leftover) {
        self.open.fetch_add(1, Ordering::Relaxed);
        let _open = Open(Arc::clone(&self.open));
        let mut ends = self.guest.session_ends.subscribe();
        let io = SessionIo::new(Arc::clone(link), Arc::clone(leftover));
        let silent = fallen_silent(io.heard(), self.patience);
        let mut connection = std::pin::pin!(
            hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .max_concurrent_streams(MAX_CALLS)
                .initial_stream_window_size(CALL_WINDOW)
                .initial_connection_window_size(SESSION_WINDOW)
                .max_send_buf_size(SEND_BUFFER)
                .auto_date_header(false)
                .keep_alive_interval(reminder(self.patience))
                .keep_alive_timeout(NEVER)
                .serve_connection(TokioIo::new(io), self.dispatch.clone())
        );
        tokio::select! {
            _ = connection.as_mut() => return,
            // A host that is gone takes no leave: its session ends as if it had been cut.
            () = silent => return,
            _ = ends.changed() => connection.as_mut().graceful_shutdown(),
        }
        // Long calls do not end by themselves: they are cut.
        let _ = tokio::time::timeout(FAREWELL, connection).await;
    }
}

/// Whether a port is gone, and not only its host.
fn is_removed(error: &std::io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::NODEV.raw_os_error())
}

/// Waits for a hello and answers it; false at the link's end. What came after the hello is left in `leftover`.
async fn handshake(link: &Link, leftover: &Leftover, guest: &Guest) -> std::io::Result<bool> {
    let mut scanner = HelloScanner::default();
    let mut has_complained = false;
    let mut bytes = std::mem::take(&mut *leftover.lock().unwrap_or_else(PoisonError::into_inner));
    // A port that nobody uses waits here: it takes little.
    let mut buffer = [0; 256];
    loop {
        let (taken, nonce) = scanner.push(&bytes);
        if let Some(nonce) = nonce {
            bytes.drain(..taken);
            if answer(link, &nonce.answer(&guest.instance_id())).await? {
                set(leftover, bytes);
                return Ok(true);
            }
        } else if !bytes.is_empty() && !scanner.is_pending() && !has_complained {
            // A host goes on with a session that is no more: it waits for answers until it hears of that.
            has_complained = true;
            link.write_now(NO_SESSION);
        }
        let count = link.read(&mut buffer).await?;
        if count == 0 {
            if !link.is_endless() {
                return Ok(false);
            }
            has_complained = false;
            link.changed().await?;
        }
        bytes.clear();
        bytes.extend_from_slice(&buffer[..count]);
    }
}

/// Answers a hello; false where whoever said it is gone again, and another may come.
async fn answer(link: &Link, words: &[u8]) -> std::io::Result<bool> {
    let until = tokio::time::Instant::now() + NEWS;
    loop {
        match link.write_all(words).await {
            Ok(()) => return Ok(true),
            // On a port the hello can be there before the news that there is a host.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe && link.is_endless() => {
                match tokio::time::timeout_at(until, link.changed()).await {
                    Ok(changed) => changed?,
                    Err(_) => return Ok(false),
                }
            }
            Err(error) => return Err(error),
        }
    }
}

fn set(leftover: &Mutex<Vec<u8>>, bytes: Vec<u8>) {
    *leftover.lock().unwrap_or_else(PoisonError::into_inner) = bytes;
}
