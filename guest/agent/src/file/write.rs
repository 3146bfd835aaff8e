//! Writes a regular file, all at once or into its middle.

use super::change::make_parents;
use super::info;
use super::place::{Name, Place};
use super::temporary::Temporary;
use crate::api::{FileInfo, Owner, WriteFileOpen, WriteMode};
use bytes::Bytes;
use rustix::fs::{AtFlags, Gid, Mode, OFlags, RenameFlags, Uid, fchmod, fchown, openat, statat};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

const DEFAULT_PERMISSIONS: u32 = 0o644;

/// A file that is being written.
pub struct Writing {
    file: File,
    place: Place,
    target: Target,
    permissions: Option<u32>,
    owner: Option<Owner>,
    written: u64,
    sync: bool,
}

/// Where the bytes go.
enum Target {
    /// Into the file itself.
    Itself,
    /// Into a new file that takes the name at the end.
    Name { temporary: Temporary, name: Name, flags: RenameFlags },
}

impl Writing {
    /// Opens what is to be written.
    ///
    /// # Errors
    /// The kernel's; ENOSPC when the bytes that were announced cannot fit.
    pub fn open(place: Place, mode: WriteMode, open: &WriteFileOpen) -> io::Result<Self> {
        if open.parents {
            make_parents(&place, open.owner)?;
        }
        let (mut permissions, mut owner) = (open.permissions, open.owner);
        let (file, target) = match mode {
            WriteMode::Append | WriteMode::At => {
                let flags = OFlags::WRONLY | OFlags::CREATE;
                let flags = if mode == WriteMode::Append { flags | OFlags::APPEND } else { flags };
                let created = permissions.unwrap_or(DEFAULT_PERMISSIONS);
                let mut file = File::from(place.open(flags, Mode::from_raw_mode(created))?);
                if mode == WriteMode::At {
                    file.seek(SeekFrom::Start(open.offset))?;
                }
                (file, Target::Itself)
            }
            WriteMode::Unspecified | WriteMode::Replace | WriteMode::Create => {
                let name = place.name()?;
                let flags =
                    if mode == WriteMode::Create { RenameFlags::NOREPLACE } else { RenameFlags::empty() };
                if let Some((present, present_owner)) = present(&name)? {
                    if mode == WriteMode::Create {
                        return Err(Errno::EXIST.into());
                    }
                    permissions = permissions.or(Some(present));
                    owner = owner.or(Some(present_owner));
                }
                permissions = permissions.or(Some(DEFAULT_PERMISSIONS));
                let (file, temporary) = Temporary::make(name.directory.try_clone()?)?;
                (file, Target::Name { temporary, name, flags })
            }
        };
        check_room(&file, open.size_bytes.unwrap_or(0))?;
        Ok(Self { file, place, target, permissions, owner, written: 0, sync: !open.no_sync })
    }

    /// Writes on.
    ///
    /// # Errors
    /// The kernel's.
    pub fn write(&mut self, chunks: &[Bytes]) -> io::Result<()> {
        for chunk in chunks {
            self.file.write_all(chunk)?;
            self.written += chunk.len() as u64;
        }
        Ok(())
    }

    /// How many bytes were written.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Makes it last: attributes, disk, name, in this order.
    ///
    /// # Errors
    /// The kernel's; then a new file is gone.
    pub fn finish(self) -> io::Result<FileInfo> {
        if let Some(owner) = self.owner {
            fchown(&self.file, Some(Uid::from_raw(owner.uid)), Some(Gid::from_raw(owner.gid)))?;
        }
        // A change of owner drops setuid, so the mode comes after it.
        if let Some(permissions) = self.permissions {
            fchmod(&self.file, Mode::from_raw_mode(permissions))?;
        }
        if self.sync {
            self.file.sync_all()?;
        }
        if let Target::Name { temporary, name, flags } = self.target {
            temporary.rename(&name.name, flags)?;
            if self.sync {
                // The directory was opened as a path only, which cannot be synchronised.
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
                rustix::fs::fsync(openat(&name.directory, c".", flags, Mode::empty())?)?;
            }
        }
        info::of_open(&self.file, self.place.path())
    }
}

/// The permissions and the owner of the regular file that has the name now. A directory cannot be replaced.
fn present(name: &Name) -> io::Result<Option<(u32, Owner)>> {
    match statat(&name.directory, &name.name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
        Ok(stat) => match info::file_type(stat.st_mode) {
            crate::api::FileType::Directory => Err(Errno::ISDIR.into()),
            // A link's own mode and owner say nothing of what takes its place.
            crate::api::FileType::Symlink => Ok(Some((DEFAULT_PERMISSIONS, Owner { uid: 0, gid: 0 }))),
            _ => Ok(Some((stat.st_mode & info::PERMISSIONS, Owner { uid: stat.st_uid, gid: stat.st_gid }))),
        },
    }
}

fn check_room(file: &File, size: u64) -> io::Result<()> {
    let room = rustix::fs::fstatvfs(file)?;
    if size > room.f_bavail.saturating_mul(room.f_frsize) { Err(Errno::NOSPC.into()) } else { Ok(()) }
}
