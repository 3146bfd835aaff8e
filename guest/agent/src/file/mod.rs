//! Files of the guest: looked at, changed, read, written, and copied as trees.

pub mod blocking;
pub mod change;
pub mod info;
pub mod list;
pub mod place;
pub mod service;
pub mod tar;
pub mod temporary;
pub mod walk;
pub mod watch;
pub mod write;

/// Whether the kernel confines a path's resolution to a directory (Linux 5.6).
#[must_use]
pub fn has_openat2() -> bool {
    use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
    rustix::fs::openat2(CWD, c"/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::NO_MAGICLINKS)
        .is_ok()
}
