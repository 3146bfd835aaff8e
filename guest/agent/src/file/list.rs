//! Lists a directory, a page at a time.

use super::info;
use super::walk::{Walk, has_gone};
use crate::api::{FileInfo, FileType};
use std::io;
use std::os::fd::OwnedFd;

/// How many entries a page has.
const PAGE: usize = 256;

/// A listing that goes on where its last page ended.
pub struct Listing {
    walk: Walk,
    depth: usize,
}

impl Listing {
    /// Of everything in an open directory that is at most `depth` below it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn new(directory: OwnedFd, depth: usize) -> io::Result<Self> {
        Ok(Self { walk: Walk::new(directory)?, depth })
    }

    /// The next page; an empty one is the end.
    ///
    /// # Errors
    /// The kernel's.
    pub fn page(&mut self) -> io::Result<Vec<FileInfo>> {
        let mut page = Vec::new();
        while page.len() < PAGE && self.walk.depth() > 0 {
            let Some(met) = self.walk.meet()? else {
                self.walk.leave();
                continue;
            };
            let Some(directory) = self.walk.directory() else {
                break;
            };
            let info = match info::of_entry(directory, met.name.as_c_str(), &met.path) {
                Err(error) if has_gone(&error) => continue,
                info => info?,
            };
            let deeper = info.r#type() == FileType::Directory && self.walk.depth() < self.depth;
            page.push(info);
            if deeper {
                match self.walk.enter(&met) {
                    Err(error) if has_gone(&error) || is_elsewhere(&error) => {}
                    result => result?,
                }
            }
        }
        Ok(page)
    }
}

/// Whether a directory is another file system's.
fn is_elsewhere(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::XDEV.raw_os_error())
}
