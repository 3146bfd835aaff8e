//! Puts an archive's entries into the tree: each by its path below the root, with what it is said to be.
//!
//! Every path is resolved by the kernel (openat2, `RESOLVE_BENEATH`): whatever links the tree or the archive has, nothing
//! is made or changed outside.

use super::header::Header;
use super::pax::Records;
use crate::api::Owner;
use crate::errors::status;
use crate::file::change::{Attributes, is, set_open_attributes};
use crate::file::info::PERMISSIONS;
use crate::file::place::open_beneath;
use crate::file::temporary::Temporary;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, XattrFlags, mkdirat, unlinkat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use tonic::Status;

/// A tree that is being filled.
pub struct Tree {
    root: OwnedFd,
    /// Whose everything is; none: as the archive says.
    owner: Option<Owner>,
    no_replace: bool,
    /// Directories whose time is set when the archive has left them: making things in them changes it.
    open_directories: Vec<(PathBuf, OwnedFd, i64)>,
}

impl Tree {
    /// Below an open directory.
    #[must_use]
    pub fn new(root: OwnedFd, owner: Option<Owner>, no_replace: bool) -> Self {
        Self { root, owner, no_replace, open_directories: Vec::new() }
    }

    /// The directory.
    #[must_use]
    pub fn root(&self) -> &OwnedFd {
        &self.root
    }

    /// Makes a directory, or takes the one that is there.
    ///
    /// # Errors
    /// The kernel's.
    pub fn directory(&mut self, path: &Path, header: &Header, records: &Records) -> io::Result<()> {
        let made = match path.file_name() {
            // The root itself.
            None => Ok(()),
            Some(name) => {
                let parent = self.parent(path)?;
                match mkdirat(&parent, name, Mode::from_raw_mode(0o700)) {
                    Err(Errno::EXIST) => Err(()),
                    result => Ok(result?),
                }
            }
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let follow = if made.is_ok() { OFlags::NOFOLLOW } else { OFlags::empty() };
        let directory = open_beneath(&self.root, path, flags | follow, Mode::empty())?;
        if made.is_err() && self.is_link(path)? {
            // A link to a directory, as /bin may be, stays one, and what it leads to stays as it is.
            return Ok(());
        }
        self.set(&directory, header, records, false)?;
        let modified = records.modified_ns.unwrap_or(header.modified.saturating_mul(1_000_000_000));
        self.open_directories.push((path.to_owned(), directory, modified));
        Ok(())
    }

    fn is_link(&self, path: &Path) -> io::Result<bool> {
        let parent = self.parent(path)?;
        let name = path.file_name().unwrap_or(OsStr::new("."));
        let stat = rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Symlink)
    }

    /// Sets the times of directories that `path` is not in.
    ///
    /// # Errors
    /// The kernel's.
    pub fn leave_directories(&mut self, path: Option<&Path>) -> Result<(), Status> {
        while let Some((directory, fd, modified)) = self
            .open_directories
            .pop_if(|(directory, _, _)| path.is_none_or(|path| !path.starts_with(&directory)))
        {
            let attributes = Attributes { modified_unix_ns: Some(modified), ..Attributes::default() };
            set_open_attributes(&fd, attributes)
                .map_err(|error| status(format!("set the time of {}", directory.display()), &error))?;
        }
        // A tree deeper than this keeps the times of its making.
        if self.open_directories.len() > crate::file::walk::MAX_DEPTH {
            self.open_directories.pop();
        }
        Ok(())
    }

    /// Makes something under a name; what has the name already is replaced, unless it is a directory.
    ///
    /// # Errors
    /// The kernel's.
    pub fn make(
        &self,
        path: &Path,
        mut make: impl FnMut(&OwnedFd, &OsStr) -> rustix::io::Result<()>,
    ) -> io::Result<()> {
        let name = path.file_name().ok_or(Errno::INVAL)?;
        let parent = self.parent(path)?;
        match make(&parent, name) {
            Err(Errno::EXIST) if !self.no_replace => {}
            result => return Ok(result?),
        }
        unlinkat(&parent, name, AtFlags::empty())?;
        Ok(make(&parent, name)?)
    }

    /// Begins a regular file beside the place that it will have.
    ///
    /// # Errors
    /// The kernel's: EISDIR where a directory has its name.
    pub fn begin(&self, path: &Path) -> io::Result<(File, Temporary)> {
        let name = path.file_name().ok_or(Errno::INVAL)?;
        let parent = self.parent(path)?;
        match rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) if self.no_replace => Err(Errno::EXIST.into()),
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
                Err(Errno::ISDIR.into())
            }
            Ok(_) | Err(Errno::NOENT) => Temporary::make(parent),
            Err(error) => Err(error.into()),
        }
    }

    /// Gives a file that is whole its name.
    ///
    /// # Errors
    /// The kernel's.
    pub fn complete(&self, path: &Path, file: Temporary) -> io::Result<()> {
        let flags = if self.no_replace { RenameFlags::NOREPLACE } else { RenameFlags::empty() };
        file.rename(path.file_name().ok_or(Errno::INVAL)?.as_ref(), flags)
    }

    /// The directory that a path is in; missing ones are made.
    ///
    /// # Errors
    /// The kernel's.
    pub fn parent(&self, path: &Path) -> rustix::io::Result<OwnedFd> {
        let parent = path.parent().unwrap_or(Path::new(""));
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let errno = |error: io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
        match open_beneath(&self.root, parent, flags, Mode::empty()) {
            Err(error) if is(&error, Errno::NOENT) => {}
            result => return result.map_err(errno),
        }
        let above = self.parent(parent)?;
        let name = parent.file_name().ok_or(Errno::NOENT)?;
        match mkdirat(&above, name, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
        open_beneath(&self.root, parent, flags, Mode::empty()).map_err(errno)
    }

    /// Sets what an entry is said to be, on what has its path.
    ///
    /// # Errors
    /// The kernel's.
    pub fn attributes(&self, path: &Path, header: &Header, records: &Records, link: bool) -> io::Result<()> {
        let file = open_beneath(&self.root, path, OFlags::PATH | OFlags::NOFOLLOW, Mode::empty())?;
        self.set(file, header, records, link)
    }

    /// Sets what an entry is said to be, on an open file.
    ///
    /// # Errors
    /// The kernel's.
    pub fn set(&self, file: impl AsFd, header: &Header, records: &Records, link: bool) -> io::Result<()> {
        let file = file.as_fd();
        let modified = records.modified_ns.unwrap_or(header.modified.saturating_mul(1_000_000_000));
        let attributes = Attributes {
            owner: Some(self.owner.unwrap_or(Owner { uid: header.uid, gid: header.gid })),
            // A symbolic link has no mode of its own.
            mode: (!link).then_some(header.mode & PERMISSIONS),
            modified_unix_ns: None,
        };
        set_open_attributes(file, attributes)?;
        if !link {
            let path = format!("/proc/self/fd/{}", file.as_raw_fd());
            for (name, value) in &records.xattrs {
                rustix::fs::setxattr(path.as_str(), name.as_slice(), value, XattrFlags::empty())?;
            }
        }
        set_open_attributes(file, Attributes { modified_unix_ns: Some(modified), ..Attributes::default() })
    }
}
