//! A file under a name of its own beside the one that it will have: whole, or not there at all.

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, openat, renameat_with, unlinkat};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

/// It goes away unless it is renamed.
pub struct Temporary {
    directory: OwnedFd,
    name: String,
    renamed: bool,
}

impl Temporary {
    /// Makes one in a directory, which may be open as a path only. It is its owner's alone.
    ///
    /// # Errors
    /// The kernel's.
    pub fn make(directory: OwnedFd) -> io::Result<(File, Self)> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        loop {
            let mut random = [0_u8; 8];
            rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
            let name = format!(".kelpie-{:016x}", u64::from_ne_bytes(random));
            match openat(&directory, &name, flags, Mode::from_raw_mode(0o600)) {
                Err(Errno::EXIST) => {}
                result => return Ok((File::from(result?), Self { directory, name, renamed: false })),
            }
        }
    }

    /// Gives it its name; what had the name is replaced, unless the flags say otherwise.
    ///
    /// # Errors
    /// The kernel's.
    pub fn rename(mut self, name: &Path, flags: RenameFlags) -> io::Result<()> {
        renameat_with(&self.directory, &self.name, &self.directory, name, flags)?;
        self.renamed = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.renamed {
            let _ = unlinkat(&self.directory, &self.name, AtFlags::empty());
        }
    }
}
