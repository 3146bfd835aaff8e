//! Processes: started, fed, read, signalled, waited for, and remembered.

pub mod attach;
pub mod cgroup;
pub mod departed;
pub mod outputs;
pub mod plan;
pub mod record;
pub mod ring;
pub mod service;
pub mod spawn;
pub mod stdin;
pub mod supervise;
pub mod table;
pub mod users;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, also after a panic elsewhere: everything here is valid between any two statements that change it.
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
