//! Runs work that waits for a disk beside the thread that serves the sessions.
//!
//! Each piece of work is short (a page, some chunks, one change), and a caller who is slow to take or to send holds no
//! thread in between: however many stall, the others go on.

use crate::errors::status;
use std::fmt::Display;
use std::io;
use tokio::sync::Semaphore;
use tonic::Status;

/// How many pieces of file work are done at once; starts of processes find threads beside them.
const MAX_AT_ONCE: usize = 12;

static PLACES: Semaphore = Semaphore::const_new(MAX_AT_ONCE);

/// Does a piece of work; an error tells what it was about.
///
/// # Errors
/// The work's.
pub async fn run<T: Send + 'static>(
    what: impl Display + Send + 'static,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Status> {
    attempt(work).await.map_err(|error| status(what, &error))
}

/// Does a piece of work.
///
/// # Errors
/// The work's, or that it was broken off.
pub async fn attempt<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let place = PLACES.acquire().await.map_err(io::Error::other)?;
    let result = tokio::task::spawn_blocking(work).await;
    drop(place);
    result.map_err(io::Error::other)?
}
