//! Goes through a directory tree, an entry at a time, each directory held open while it is gone through.

use rustix::fs::{Dir, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The deepest tree; each level takes a descriptor.
pub const MAX_DEPTH: usize = 256;

/// A directory that is gone through.
struct Level {
    directory: OwnedFd,
    entries: Dir,
    /// Its path from the walk's start.
    path: PathBuf,
}

/// A walk.
pub struct Walk {
    levels: Vec<Level>,
}

/// What is met.
pub struct Met {
    pub name: CString,
    /// The path from the walk's start.
    pub path: PathBuf,
}

impl Walk {
    /// A walk through an open directory.
    ///
    /// # Errors
    /// The kernel's.
    pub fn new(directory: OwnedFd) -> io::Result<Self> {
        let mut walk = Self { levels: Vec::new() };
        walk.push(directory, PathBuf::new())?;
        Ok(walk)
    }

    /// The next entry, and the directory it is in; none at the end of a directory, which `leave` goes on from.
    ///
    /// # Errors
    /// The kernel's.
    pub fn meet(&mut self) -> io::Result<Option<Met>> {
        let Some(level) = self.levels.last_mut() else {
            return Ok(None);
        };
        for entry in level.entries.by_ref() {
            let entry = entry?;
            let name = entry.file_name();
            if name != c"." && name != c".." {
                let path = level.path.join(OsStr::from_bytes(name.to_bytes()));
                return Ok(Some(Met { name: name.to_owned(), path }));
            }
        }
        Ok(None)
    }

    /// The directory that is gone through.
    #[must_use]
    pub fn directory(&self) -> Option<BorrowedFd<'_>> {
        self.levels.last().map(|level| level.directory.as_fd())
    }

    /// How many directories are held open.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.levels.len()
    }

    /// Goes into a directory that was met. It must be what it seems: no symbolic link, no mount point.
    ///
    /// # Errors
    /// The kernel's: EXDEV for a mount point; ELOOP for a link and for a tree that is too deep.
    pub fn enter(&mut self, met: &Met) -> io::Result<()> {
        let parent = self.directory().ok_or(Errno::BADF)?;
        if self.levels.len() >= MAX_DEPTH {
            return Err(Errno::LOOP.into());
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let resolve = ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS;
        let directory = openat2(parent, met.name.as_c_str(), flags, Mode::empty(), resolve)?;
        self.push(directory, met.path.clone())
    }

    /// Goes back up; the path of the directory that was left, none when it was the first.
    pub fn leave(&mut self) -> Option<PathBuf> {
        let level = self.levels.pop()?;
        (!self.levels.is_empty()).then_some(level.path)
    }

    fn push(&mut self, directory: OwnedFd, path: PathBuf) -> io::Result<()> {
        let entries = Dir::read_from(&directory)?;
        self.levels.push(Level { directory, entries, path });
        Ok(())
    }
}

/// Whether an entry went between being met and being looked at.
#[must_use]
pub fn has_gone(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::NOENT.raw_os_error())
}

/// The last part of a walk's path.
#[must_use]
pub fn last_name(path: &Path) -> &OsStr {
    path.file_name().unwrap_or_default()
}
