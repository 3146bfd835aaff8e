//! Changes to the file tree that are done in one go.

use super::info;
use super::place::{Name, Place};
use super::walk::{Walk, has_gone, last_name};
use crate::api::{FileInfo, Owner};
use rustix::fs::{
    AtFlags, Gid, Mode, OFlags, RenameFlags, Timespec, Timestamps, Uid, chmod, chownat, linkat, mkdirat,
    openat, renameat_with, symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;

/// Makes a directory.
///
/// # Errors
/// The kernel's.
pub fn make_directory(place: &Place, parents: bool, mode: u32, owner: Option<Owner>) -> io::Result<()> {
    if parents {
        make_parents(place, owner)?;
    }
    let result = place.name().and_then(|name| make_one(&name, mode, owner));
    match result {
        // What has no name of its own, as `/`, can only be there.
        Err(error) if parents && (is(&error, Errno::EXIST) || is(&error, Errno::INVAL)) => {
            place.open(OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).map(drop)
        }
        result => result,
    }
}

/// Makes the missing directories above a place.
///
/// # Errors
/// The kernel's.
pub fn make_parents(place: &Place, owner: Option<Owner>) -> io::Result<()> {
    let Some(parent) = place.parent() else {
        return Ok(());
    };
    match parent.open(OFlags::PATH | OFlags::DIRECTORY, Mode::empty()) {
        Err(error) if has_gone(&error) => {}
        result => return result.map(drop),
    }
    make_parents(&parent, owner)?;
    match make_one(&parent.name()?, 0o755, owner) {
        // Somebody else was quicker.
        Err(error) if is(&error, Errno::EXIST) => Ok(()),
        result => result,
    }
}

fn make_one(Name { directory, name }: &Name, mode: u32, owner: Option<Owner>) -> io::Result<()> {
    mkdirat(directory, name, Mode::from_raw_mode(0o700))?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = openat(directory, name, flags, Mode::empty())?;
    if let Some(owner) = owner {
        rustix::fs::fchown(&directory, Some(Uid::from_raw(owner.uid)), Some(Gid::from_raw(owner.gid)))?;
    }
    // After the change of owner, and whatever the umask.
    Ok(rustix::fs::fchmod(&directory, Mode::from_raw_mode(mode))?)
}

/// Removes a file or a directory; how many of them.
///
/// # Errors
/// The kernel's; EBUSY for a mount point.
pub fn remove(place: &Place, recursive: bool, missing_ok: bool) -> io::Result<u64> {
    let removed = place.name().and_then(|name| remove_name(&name, recursive));
    match removed {
        Err(error) if missing_ok && has_gone(&error) => Ok(0),
        removed => removed,
    }
}

fn remove_name(Name { directory, name }: &Name, recursive: bool) -> io::Result<u64> {
    match unlinkat(directory, name, AtFlags::empty()) {
        Err(Errno::ISDIR | Errno::PERM) => {}
        result => return result.map(|()| 1).map_err(Into::into),
    }
    match unlinkat(directory, name, AtFlags::REMOVEDIR) {
        Err(Errno::NOTEMPTY | Errno::EXIST) if recursive => {}
        result => return result.map(|()| 1).map_err(Into::into),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let removed = empty(Walk::new(openat(directory, name, flags, Mode::empty())?)?)?;
    unlinkat(directory, name, AtFlags::REMOVEDIR)?;
    Ok(removed + 1)
}

/// Removes everything that a walk meets.
fn empty(mut walk: Walk) -> io::Result<u64> {
    let mut removed = 0;
    while let Some(directory) = walk.directory().map(|fd| fd.try_clone_to_owned()).transpose()? {
        if let Some(met) = walk.meet()? {
            match unlinkat(&directory, met.name.as_c_str(), AtFlags::empty()) {
                Ok(()) => removed += 1,
                Err(Errno::NOENT) => {}
                Err(Errno::ISDIR | Errno::PERM) => walk.enter(&met).map_err(|error| {
                    // What is mounted there is not this tree's.
                    if is(&error, Errno::XDEV) { Errno::BUSY.into() } else { error }
                })?,
                Err(error) => return Err(error.into()),
            }
        } else if let Some(path) = walk.leave()
            && let Some(parent) = walk.directory()
        {
            unlinkat(parent, last_name(&path), AtFlags::REMOVEDIR)?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Moves a file or a directory.
///
/// # Errors
/// The kernel's.
pub fn rename(from: &Place, to: &Place, flags: RenameFlags) -> io::Result<()> {
    let (from, to) = (from.name()?, to.name()?);
    Ok(renameat_with(&from.directory, &from.name, &to.directory, &to.name, flags)?)
}

/// Makes a symbolic link.
///
/// # Errors
/// The kernel's.
pub fn make_symlink(place: &Place, target: &str) -> io::Result<()> {
    let name = place.name()?;
    Ok(symlinkat(target, &name.directory, &name.name)?)
}

/// Makes a hard link.
///
/// # Errors
/// The kernel's.
pub fn make_hard_link(place: &Place, target: &Place) -> io::Result<()> {
    let (target, name) = (target.name()?, place.name()?);
    Ok(linkat(&target.directory, &target.name, &name.directory, &name.name, AtFlags::empty())?)
}

/// What to change of a file.
#[derive(Clone, Copy, Default)]
pub struct Attributes {
    pub mode: Option<u32>,
    pub owner: Option<Owner>,
    pub modified_unix_ns: Option<i64>,
}

/// Changes a file's attributes; what it is then.
///
/// # Errors
/// The kernel's.
pub fn set_attributes(place: &Place, no_follow: bool, attributes: Attributes) -> io::Result<FileInfo> {
    let follow = if no_follow { OFlags::NOFOLLOW } else { OFlags::empty() };
    let file = place.open(OFlags::PATH | follow, Mode::empty())?;
    set_open_attributes(&file, attributes)?;
    info::of_open(&file, place.path())
}

/// Changes the attributes of a file that is open, if only as a path.
///
/// # Errors
/// The kernel's.
pub fn set_open_attributes(file: impl AsFd, attributes: Attributes) -> io::Result<()> {
    let file = file.as_fd();
    if let Some(owner) = attributes.owner {
        let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
        chownat(file, c"", Some(uid), Some(gid), AtFlags::EMPTY_PATH)?;
    }
    if let Some(mode) = attributes.mode {
        // A descriptor that is only a path has no fchmod; its name under /proc leads to the very file.
        let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        chmod(path, Mode::from_raw_mode(mode))?;
    }
    if let Some(modified) = attributes.modified_unix_ns {
        utimensat(file, c"", &times(modified), AtFlags::EMPTY_PATH)?;
    }
    Ok(())
}

/// Sets the time of the last change, and leaves that of the last access.
#[must_use]
pub fn times(modified_unix_ns: i64) -> Timestamps {
    let omit = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT };
    let second = 1_000_000_000;
    let modified = Timespec {
        tv_sec: modified_unix_ns.div_euclid(second),
        tv_nsec: modified_unix_ns.rem_euclid(second),
    };
    Timestamps { last_access: omit, last_modification: modified }
}

/// Whether an error is this one of the kernel's.
#[must_use]
pub fn is(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno.raw_os_error())
}
