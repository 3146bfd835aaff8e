//! Packs a directory or a file, piece by piece as it is taken.

use super::header::{Header, encode, fits};
use super::pax::{XATTR, push};
use super::{BLOCK, MAX_SEGMENTS, padding};
use crate::api::FileType;
use crate::file::info::{PERMISSIONS, file_type};
use crate::file::walk::{Met, Walk, has_gone};
use rustix::fs::{AtFlags, Mode, OFlags, SeekFrom, Stat, fstat, openat, readlinkat, seek, statat};
use rustix::io::Errno;
use std::collections::{HashMap, HashSet};
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// How many files with several names are remembered; beyond that each name gets its own content.
const MAX_LINKS: usize = 65_536;
/// Smaller files are packed whole, holes or not.
const MIN_SPARSE: u64 = 64 * 1024;

/// An archive that is being made.
pub struct Packer {
    walk: Option<Walk>,
    /// A lone file, until it is packed.
    lone: Option<(OwnedFd, CString)>,
    exclude: HashSet<PathBuf>,
    links: HashMap<(u64, u64), Vec<u8>>,
    content: Option<Content>,
    ended: bool,
}

/// A file whose content is being packed.
struct Content {
    file: File,
    segments: Vec<(u64, u64)>,
    at: (usize, u64),
    padding: u64,
}

impl Packer {
    /// Of everything in an open directory, and the directory itself as `./`.
    ///
    /// # Errors
    /// The kernel's.
    pub fn of_directory(directory: OwnedFd, exclude: HashSet<PathBuf>) -> io::Result<Self> {
        let mut packer =
            Self { walk: None, lone: None, exclude, links: HashMap::new(), content: None, ended: false };
        packer.lone = Some((directory.try_clone()?, c".".to_owned()));
        packer.walk = Some(Walk::new(directory)?);
        Ok(packer)
    }

    /// Of one file in an open directory.
    #[must_use]
    pub fn of_file(directory: OwnedFd, name: CString) -> Self {
        Self {
            walk: None,
            lone: Some((directory, name)),
            exclude: HashSet::new(),
            links: HashMap::new(),
            content: None,
            ended: false,
        }
    }

    /// At least `wanted` further bytes of the archive, or all that are left.
    ///
    /// # Errors
    /// The kernel's.
    pub fn next(&mut self, wanted: usize) -> io::Result<Vec<u8>> {
        let mut out = Vec::with_capacity(wanted + BLOCK);
        while out.len() < wanted && !self.ended {
            if let Some(content) = &mut self.content {
                if content.copy(&mut out, wanted)? {
                    self.content = None;
                }
            } else if let Some((directory, name)) = self.lone.take() {
                let path = Path::new(std::ffi::OsStr::from_bytes(name.to_bytes()));
                self.entry(directory.as_fd(), &name, path, &mut out)?;
            } else if !self.advance(&mut out)? {
                out.resize(out.len() + 2 * BLOCK, 0);
                self.ended = true;
            }
        }
        Ok(out)
    }

    /// Packs what the walk meets next; false at its end.
    fn advance(&mut self, out: &mut Vec<u8>) -> io::Result<bool> {
        let Some(walk) = &mut self.walk else {
            return Ok(false);
        };
        let Some(met) = walk.meet()? else {
            walk.leave();
            return Ok(walk.depth() > 0);
        };
        if self.exclude.contains(&met.path) {
            return Ok(true);
        }
        let Some(directory) = walk.directory().map(|fd| fd.try_clone_to_owned()).transpose()? else {
            return Ok(false);
        };
        match self.entry(directory.as_fd(), &met.name, &met.path, out) {
            Ok(FileType::Directory) => self.enter(&met)?,
            Ok(_) => {}
            Err(error) if has_gone(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    fn enter(&mut self, met: &Met) -> io::Result<()> {
        let result = self.walk.as_mut().map_or(Ok(()), |walk| walk.enter(met));
        match result {
            // What is mounted there is not this tree's, and what has gone is nobody's.
            Err(error) if has_gone(&error) || error.raw_os_error() == Some(Errno::XDEV.raw_os_error()) => {
                Ok(())
            }
            result => result,
        }
    }

    /// Packs an entry's headers, and begins its content.
    fn entry(
        &mut self,
        directory: BorrowedFd<'_>,
        name: &CString,
        path: &Path,
        out: &mut Vec<u8>,
    ) -> io::Result<FileType> {
        let stat = statat(directory, name.as_c_str(), AtFlags::SYMLINK_NOFOLLOW)?;
        let kind = file_type(stat.st_mode);
        let mut entry = Entry::new(&stat, path.as_os_str().as_bytes());
        match kind {
            FileType::Regular => {
                let key = (stat.st_dev, stat.st_ino);
                if let Some(first) = self.links.get(&key) {
                    entry.header.kind = b'1';
                    entry.header.link.clone_from(first);
                    entry.write(out);
                    return Ok(kind);
                }
                // Nothing that is not a regular file any more may be opened by its name: a pipe would wait.
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                let file = File::from(openat(directory, name.as_c_str(), flags, Mode::empty())?);
                let stat = fstat(&file)?;
                if file_type(stat.st_mode) != FileType::Regular {
                    return Err(Errno::NOENT.into());
                }
                if stat.st_nlink > 1 && self.links.len() < MAX_LINKS {
                    self.links.insert(key, entry.header.path.clone());
                }
                entry.xattrs(&file)?;
                self.content = Some(entry.content(file, &stat, out)?);
            }
            FileType::Directory => {
                entry.header.kind = b'5';
                entry.header.path.push(b'/');
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                entry.xattrs(openat(directory, name.as_c_str(), flags, Mode::empty())?)?;
                entry.write(out);
            }
            FileType::Symlink => {
                entry.header.kind = b'2';
                entry.header.link = readlinkat(directory, name.as_c_str(), Vec::new())?.into_bytes();
                entry.write(out);
            }
            FileType::CharacterDevice | FileType::BlockDevice => {
                entry.header.kind = if kind == FileType::BlockDevice { b'4' } else { b'3' };
                entry.header.major = rustix::fs::major(stat.st_rdev);
                entry.header.minor = rustix::fs::minor(stat.st_rdev);
                entry.write(out);
            }
            FileType::Fifo => {
                entry.header.kind = b'6';
                entry.write(out);
            }
            // A socket is nothing without who listens on it.
            FileType::Socket | FileType::Unspecified => {}
        }
        Ok(kind)
    }
}

/// An entry's headers.
struct Entry {
    header: Header,
    extra: Vec<u8>,
}

impl Entry {
    fn new(stat: &Stat, path: &[u8]) -> Self {
        let header = Header {
            kind: b'0',
            path: path.to_vec(),
            mode: stat.st_mode & PERMISSIONS,
            uid: stat.st_uid,
            gid: stat.st_gid,
            modified: stat.st_mtime,
            ..Header::default()
        };
        Self { header, extra: Vec::new() }
    }

    /// Adds the extended attributes.
    fn xattrs(&mut self, file: impl AsFd) -> io::Result<()> {
        let path = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
        let mut names = vec![0; 64 * 1024];
        let length = match rustix::fs::listxattr(path.as_str(), names.as_mut_slice()) {
            Ok(length) => length,
            // A file system without them.
            Err(Errno::OPNOTSUPP) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let mut value = Vec::new();
        for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
            value.resize(64 * 1024, 0);
            match rustix::fs::getxattr(path.as_str(), name, value.as_mut_slice()) {
                Ok(length) => push(
                    &mut self.extra,
                    &format!("{XATTR}{}", String::from_utf8_lossy(name)),
                    &value[..length],
                ),
                Err(Errno::NODATA) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Writes a regular file's headers, and readies its content.
    fn content(mut self, file: File, stat: &Stat, out: &mut Vec<u8>) -> io::Result<Content> {
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let allocated = u64::try_from(stat.st_blocks).unwrap_or(0) * 512;
        let pieces = if size >= MIN_SPARSE && allocated < size { data_segments(&file, size)? } else { None };
        let Some(segments) = pieces else {
            self.header.size = size;
            self.write(out);
            return Ok(Content { file, segments: vec![(0, size)], at: (0, 0), padding: padding(size) });
        };
        let mut map = format!("{}\n", segments.len()).into_bytes();
        for (offset, length) in &segments {
            map.extend_from_slice(format!("{offset}\n{length}\n").as_bytes());
        }
        map.resize(map.len().next_multiple_of(BLOCK), 0);
        push(&mut self.extra, "GNU.sparse.major", b"1");
        push(&mut self.extra, "GNU.sparse.minor", b"0");
        push(&mut self.extra, "GNU.sparse.name", &self.header.path);
        push(&mut self.extra, "GNU.sparse.realsize", size.to_string().as_bytes());
        let total: u64 = segments.iter().map(|(_, length)| length).sum();
        self.header.size = total + map.len() as u64;
        self.header.path = b"GNUSparseFile.0/file".to_vec();
        self.write(out);
        out.extend_from_slice(&map);
        Ok(Content { file, segments, at: (0, 0), padding: padding(total) })
    }

    /// Writes the header, after the records for what does not fit it.
    fn write(mut self, out: &mut Vec<u8>) {
        let Header { path, link, uid, gid, size, modified, .. } = &self.header;
        let mut extra = std::mem::take(&mut self.extra);
        if path.len() > 100 {
            push(&mut extra, "path", path);
        }
        if link.len() > 100 {
            push(&mut extra, "linkpath", link);
        }
        if !fits(u64::from(*uid), 7) {
            push(&mut extra, "uid", uid.to_string().as_bytes());
        }
        if !fits(u64::from(*gid), 7) {
            push(&mut extra, "gid", gid.to_string().as_bytes());
        }
        if !fits(*size, 11) {
            push(&mut extra, "size", size.to_string().as_bytes());
        }
        if !u64::try_from(*modified).is_ok_and(|modified| fits(modified, 11)) {
            push(&mut extra, "mtime", modified.to_string().as_bytes());
        }
        if !extra.is_empty() {
            let header = Header {
                kind: b'x',
                path: b"PaxHeader".to_vec(),
                size: extra.len() as u64,
                mode: 0o644,
                ..Header::default()
            };
            out.extend_from_slice(&encode(&header));
            out.extend_from_slice(&extra);
            out.resize(out.len().next_multiple_of(BLOCK), 0);
        }
        out.extend_from_slice(&encode(&self.header));
    }
}

impl Content {
    /// Copies content until there is enough; true at its end. A file that has become shorter is filled up with zeros,
    /// as its header has told its length already.
    fn copy(&mut self, out: &mut Vec<u8>, wanted: usize) -> io::Result<bool> {
        while out.len() < wanted {
            let Some((offset, length)) = self.segments.get(self.at.0).copied() else {
                out.resize(out.len() + usize::try_from(self.padding).unwrap_or(0), 0);
                return Ok(true);
            };
            let left = usize::try_from(length - self.at.1).unwrap_or(usize::MAX);
            let start = out.len();
            out.resize(start + left.min(wanted - start), 0);
            let mut filled = start;
            while filled < out.len() {
                let position = offset + self.at.1 + (filled - start) as u64;
                match self.file.read_at(&mut out[filled..], position) {
                    Ok(0) => break,
                    Ok(count) => filled += count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            self.at.1 += (out.len() - start) as u64;
            if self.at.1 == length {
                self.at = (self.at.0 + 1, 0);
            }
        }
        Ok(false)
    }
}

/// Where a file has data; none if it has too many holes to tell of.
fn data_segments(file: &File, size: u64) -> io::Result<Option<Vec<(u64, u64)>>> {
    let mut segments = Vec::new();
    let mut position = 0;
    while position < size {
        let start = match seek(file, SeekFrom::Data(position)) {
            Ok(start) => start,
            // Nothing but a hole up to the end.
            Err(Errno::NXIO) => break,
            Err(Errno::INVAL) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let end = seek(file, SeekFrom::Hole(start))?.min(size);
        if start >= end {
            break;
        }
        segments.push((start, end - start));
        if segments.len() >= MAX_SEGMENTS {
            return Ok(None);
        }
        position = end;
    }
    // Where the last hole ends, the file does: a piece of nothing says so.
    if segments.last().is_none_or(|(offset, length)| offset + length < size) {
        segments.push((size, 0));
    }
    Ok(Some(segments))
}
