//! Where a path leads: opened, or as a directory and a name in it, and confined where the caller wants it.

use crate::api::FilePath;
use crate::errors::invalid;
use rustix::fs::{Mode, OFlags, ResolveFlags, open, openat2};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};
use tonic::Status;

/// The longest path: `PATH_MAX` without its NUL.
const MAX_PATH: usize = 4095;

/// A checked path.
#[derive(Clone, Debug)]
pub struct Place {
    root: Option<PathBuf>,
    path: PathBuf,
}

/// A name in an open directory.
pub struct Name {
    pub directory: OwnedFd,
    pub name: PathBuf,
}

impl Place {
    /// Checks a path of the API.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`.
    pub fn new(path: Option<FilePath>) -> Result<Self, Status> {
        let FilePath { path, root } = path.ok_or_else(|| invalid("path is missing"))?;
        for text in [&path, &root] {
            if text.len() > MAX_PATH || text.contains('\0') {
                return Err(invalid(format!("A path has at most {MAX_PATH} bytes and no NUL")));
            }
        }
        let (absolute, confined) = (path.starts_with('/'), !root.is_empty());
        if confined == absolute || (confined && !root.starts_with('/')) {
            return Err(invalid(format!(
                "A path is absolute, or relative to an absolute root: {path:?} in {root:?}"
            )));
        }
        Ok(Self { root: confined.then(|| root.into()), path: path.into() })
    }

    /// The path as it was asked for.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens it.
    ///
    /// # Errors
    /// The kernel's; EXDEV when it leads out of its root.
    pub fn open(&self, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        self.open_path(&self.path, flags, mode)
    }

    /// The directory it is in, and its name there.
    ///
    /// # Errors
    /// The kernel's; EINVAL when it has no name of its own, as `/` and `..`.
    pub fn name(&self) -> io::Result<Name> {
        let mut components = self.path.components();
        let Some(Component::Normal(name)) = components.next_back() else {
            return Err(rustix::io::Errno::INVAL.into());
        };
        let directory =
            self.open_path(components.as_path(), OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
        Ok(Name { directory, name: name.into() })
    }

    /// The same place's parent; none at the top.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let path = self.path.parent()?.to_owned();
        Some(Self { root: self.root.clone(), path })
    }

    fn open_path(&self, path: &Path, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        let flags = flags | OFlags::CLOEXEC;
        // openat2 refuses what means nothing for a path alone.
        let flags = if flags.contains(OFlags::PATH) { flags } else { flags | OFlags::NOCTTY };
        let Some(root) = &self.root else {
            return Ok(open(path, flags, mode)?);
        };
        let root = open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        open_beneath(&root, path, flags, mode)
    }
}

/// Opens `path` below `root`; nothing on the way leads outside.
///
/// # Errors
/// The kernel's; EXDEV when something would.
pub fn open_beneath(root: impl AsFd, path: &Path, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    // It refuses a mode without a creation too.
    let mode = if flags.intersects(OFlags::CREATE | OFlags::TMPFILE) { mode } else { Mode::empty() };
    loop {
        match openat2(&root, path, flags | OFlags::CLOEXEC, mode, resolve) {
            // A rename elsewhere in the tree made the kernel unsure of a `..`.
            Err(rustix::io::Errno::AGAIN) => {}
            result => return Ok(result?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_absolute_or_relative_to_a_root() {
        let place =
            |path: &str, root: &str| Place::new(Some(FilePath { path: path.into(), root: root.into() }));
        assert!(place("/a", "").is_ok());
        assert!(place("a", "/r").is_ok());
        assert!(place("", "/r").is_ok());
        for (path, root) in
            [("a", ""), ("", ""), ("/a", "/r"), ("a", "r"), ("/a\0b", ""), (&"/a".repeat(3000), "")]
        {
            assert!(place(path, root).is_err(), "{path:?} in {root:?}");
        }
        assert!(Place::new(None).is_err());
    }
}
