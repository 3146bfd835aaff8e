//! Unpacks an archive that comes in pieces.
//!
//! The archive is not trusted: its headers are checked, its sizes and counts bounded, and nothing is kept of an entry
//! once it is made. `tree` makes it.

use super::header::{Block, Header, decode, number};
use super::pax::{Records, decimal, parse};
use super::tree::Tree;
use super::{BLOCK, MAX_EXTRA, MAX_PATH, MAX_SEGMENTS, padding};
use crate::api::Owner;
use crate::errors::{invalid, status};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, linkat, mknodat, openat, symlinkat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};
use tonic::Status;

/// How an archive is unpacked.
pub struct Options {
    pub owner: Option<Owner>,
    pub no_replace: bool,
    pub max_entries: u64,
    pub max_bytes: u64,
}

/// An archive that is being unpacked.
pub struct Unpacker {
    tree: Tree,
    max_entries: u64,
    max_bytes: u64,
    state: State,
    /// What was said ahead of the next entry.
    records: Records,
    entries: u64,
    content_bytes: u64,
}

/// What the next bytes are.
enum State {
    Header(Vec<u8>),
    /// The body of an entry that speaks of the next one.
    Extra {
        kind: u8,
        body: Vec<u8>,
        left: u64,
        padding: u64,
    },
    /// More of the old GNU map of a sparse file.
    OldMap {
        block: Vec<u8>,
        file: Box<Open>,
        left: u64,
    },
    /// The map that stands before the content of a sparse file.
    Map {
        text: Vec<u8>,
        file: Box<Open>,
        left: u64,
    },
    Content {
        file: Box<Open>,
        left: u64,
    },
    Skip(u64),
    End,
}

/// A regular file that is being filled.
struct Open {
    file: File,
    header: Header,
    records: Records,
    segments: Vec<(u64, u64)>,
    /// The segment that is filled, and how far.
    at: (usize, u64),
    /// The file's length.
    size: u64,
    padding: u64,
}

impl Unpacker {
    /// Below an open directory.
    #[must_use]
    pub fn new(root: OwnedFd, options: Options) -> Self {
        Self {
            tree: Tree::new(root, options.owner, options.no_replace),
            max_entries: options.max_entries,
            max_bytes: options.max_bytes,
            state: State::Header(Vec::new()),
            records: Records::default(),
            entries: 0,
            content_bytes: 0,
        }
    }

    /// How many entries were made, and how many bytes of content.
    #[must_use]
    pub fn totals(&self) -> (u64, u64) {
        (self.entries, self.content_bytes)
    }

    /// Where it unpacks to.
    #[must_use]
    pub fn root(&self) -> &OwnedFd {
        self.tree.root()
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a malformed archive, `PERMISSION_DENIED` for a path that leads outside,
    /// `RESOURCE_EXHAUSTED` beyond a limit, and the kernel's. The unpacker is not to be used after one.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), Status> {
        while !bytes.is_empty() {
            let state = std::mem::replace(&mut self.state, State::End);
            self.state = match state {
                State::Header(mut block) => {
                    fill(&mut block, &mut bytes, BLOCK);
                    match <&Block>::try_from(block.as_slice()) {
                        Ok(block) => self.header(block)?,
                        Err(_) => State::Header(block),
                    }
                }
                State::Extra { kind, mut body, left, padding } => {
                    let taken = take(&mut bytes, left);
                    body.extend_from_slice(taken);
                    let left = left - taken.len() as u64;
                    if left > 0 {
                        State::Extra { kind, body, left, padding }
                    } else {
                        self.extra(kind, &body, padding)?
                    }
                }
                State::OldMap { mut block, mut file, left } => {
                    fill(&mut block, &mut bytes, BLOCK);
                    match <&Block>::try_from(block.as_slice()) {
                        Err(_) => State::OldMap { block, file, left },
                        Ok(whole) => {
                            old_segments(&mut file.segments, &whole[..504])?;
                            if whole[504] == 0 {
                                self.content(file, left)?
                            } else {
                                State::OldMap { block: Vec::new(), file, left }
                            }
                        }
                    }
                }
                State::Map { text, file, left } => self.map(text, file, left, &mut bytes)?,
                State::Content { file, left } => {
                    let taken = take(&mut bytes, left);
                    self.write(file, left, taken)?
                }
                State::Skip(left) => match left - take(&mut bytes, left).len() as u64 {
                    0 => State::Header(Vec::new()),
                    left => State::Skip(left),
                },
                State::End => return Ok(()),
            };
        }
        Ok(())
    }

    /// The archive's end; what was held back is done.
    ///
    /// # Errors
    /// As `push`.
    pub fn finish(&mut self) -> Result<(), Status> {
        match &self.state {
            State::End => {}
            State::Header(block) if block.is_empty() => {}
            _ => return Err(malformed("it ends within an entry")),
        }
        self.tree.leave_directories(None)
    }

    fn header(&mut self, block: &Block) -> Result<State, Status> {
        if block.iter().all(|byte| *byte == 0) {
            return Ok(State::End);
        }
        let header = decode(block).map_err(|fault| malformed(format!("a header is bad: {fault}")))?;
        if matches!(header.kind, b'x' | b'g' | b'L' | b'K') {
            if header.size > MAX_EXTRA {
                return Err(malformed(format!(
                    "an extra header has {} bytes, more than {MAX_EXTRA}",
                    header.size
                )));
            }
            let (kind, left, padding) = (header.kind, header.size, padding(header.size));
            return if left == 0 {
                self.extra(kind, &[], 0)
            } else {
                Ok(State::Extra { kind, body: Vec::new(), left, padding })
            };
        }
        self.entry(header, block)
    }

    /// Notes what an extra header says.
    fn extra(&mut self, kind: u8, body: &[u8], padding: u64) -> Result<State, Status> {
        let text = || body.split(|byte| *byte == 0).next().unwrap_or_default().to_vec();
        match kind {
            b'x' => parse(body, &mut self.records).map_err(malformed)?,
            b'L' => self.records.path = Some(text()),
            b'K' => self.records.link = Some(text()),
            // What holds for a whole archive: a comment, in all that we know of.
            _ => {}
        }
        Ok(after(padding))
    }

    fn entry(&mut self, mut header: Header, block: &Block) -> Result<State, Status> {
        let records = std::mem::take(&mut self.records);
        header.path = records.path.clone().unwrap_or(header.path);
        header.link = records.link.clone().unwrap_or(header.link);
        header.size = records.size.unwrap_or(header.size);
        header.uid = records.uid.unwrap_or(header.uid);
        header.gid = records.gid.unwrap_or(header.gid);
        self.entries += 1;
        if self.entries > self.max_entries {
            return Err(Status::resource_exhausted(format!(
                "The archive has more than {} entries",
                self.max_entries
            )));
        }
        let path = safe_path(&header.path)?;
        self.tree.leave_directories(Some(&path))?;
        let what = |error: io::Error| status(format!("unpack {}", path.display()), &error);
        let skip = State::Skip(header.size.saturating_add(padding(header.size)));
        match header.kind {
            b'0' | 0 | b'7' | b'S' => return self.regular(&path, header, records, block),
            b'5' => self.tree.directory(&path, &header, &records).map_err(what)?,
            b'1' => {
                let target = safe_path(&header.link)?;
                self.tree
                    .make(&path, |directory, name| {
                        let from = self.tree.parent(&target)?;
                        linkat(
                            &from,
                            target.file_name().ok_or(Errno::INVAL)?,
                            directory,
                            name,
                            AtFlags::empty(),
                        )
                    })
                    .map_err(what)?;
            }
            b'2' => {
                let link = OsStr::from_bytes(&header.link);
                self.tree.make(&path, |directory, name| symlinkat(link, directory, name)).map_err(what)?;
                self.tree.attributes(&path, &header, &records, true).map_err(what)?;
            }
            b'3' | b'4' | b'6' => {
                let kind = match header.kind {
                    b'3' => FileType::CharacterDevice,
                    b'4' => FileType::BlockDevice,
                    _ => FileType::Fifo,
                };
                let device = rustix::fs::makedev(header.major, header.minor);
                let mode = Mode::from_raw_mode(0o600);
                self.tree
                    .make(&path, |directory, name| mknodat(directory, name, kind, mode, device))
                    .map_err(what)?;
                self.tree.attributes(&path, &header, &records, false).map_err(what)?;
            }
            kind => {
                return Err(malformed(format!("{} is of an unknown kind: {kind:#x}", path.display())));
            }
        }
        // Only regular files have content, whatever the header says; a writer may still have given a link its file's.
        Ok(if header.size == 0 || header.kind == b'1' && records.size.is_none() {
            State::Header(Vec::new())
        } else {
            skip
        })
    }

    fn regular(
        &mut self,
        path: &Path,
        header: Header,
        records: Records,
        block: &Block,
    ) -> Result<State, Status> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = None;
        self.tree
            .make(path, |directory, name| {
                file = Some(openat(directory, name, flags, Mode::from_raw_mode(0o600))?);
                Ok(())
            })
            .map_err(|error| status(format!("unpack {}", path.display()), &error))?;
        let file = File::from(file.ok_or_else(|| Status::internal("A file was made and not opened"))?);
        let left = header.size;
        let mut open = Box::new(Open {
            file,
            segments: vec![(0, left)],
            at: (0, 0),
            size: records.sparse.size.unwrap_or(left),
            padding: padding(left),
            header,
            records,
        });
        if open.header.kind == b'S' {
            open.segments.clear();
            old_segments(&mut open.segments, &block[386..482])?;
            let size = number(&block[483..495]).and_then(|size| u64::try_from(size).ok());
            open.size = size.ok_or_else(|| malformed("a sparse file's size is no number"))?;
            if block[482] != 0 {
                return Ok(State::OldMap { block: Vec::new(), file: open, left });
            }
        } else if open.records.sparse.map_in_content {
            open.segments.clear();
            return Ok(State::Map { text: Vec::new(), file: open, left });
        } else if let Some(map) = open.records.sparse.map.take() {
            open.segments = map;
        }
        self.content(open, left)
    }

    /// Takes a block of the map that stands before a sparse file's content.
    fn map(
        &mut self,
        mut text: Vec<u8>,
        mut file: Box<Open>,
        left: u64,
        bytes: &mut &[u8],
    ) -> Result<State, Status> {
        let whole = text.len() / BLOCK * BLOCK + BLOCK;
        let before = text.len();
        fill(&mut text, bytes, whole);
        let left = left
            .checked_sub((text.len() - before) as u64)
            .ok_or_else(|| malformed("a sparse file's map is cut"))?;
        if text.len() as u64 > MAX_EXTRA {
            return Err(malformed("a sparse file's map is too long"));
        }
        if text.len() < whole {
            return Ok(State::Map { text, file, left });
        }
        let mut lines = text.split(|byte| *byte == b'\n');
        let count: Option<usize> = lines.next().and_then(decimal);
        let count = count.filter(|count| *count <= MAX_SEGMENTS);
        let count = count.ok_or_else(|| malformed("a sparse file's map has no sensible count"))?;
        // The last piece is what comes after the last newline so far.
        let numbers: Vec<&[u8]> = lines.collect();
        if numbers.len() <= 2 * count {
            return if left == 0 {
                Err(malformed("a sparse file's map is cut"))
            } else {
                Ok(State::Map { text, file, left })
            };
        }
        for pair in numbers[..2 * count].as_chunks::<2>().0 {
            let segment = decimal(pair[0]).zip(decimal(pair[1]));
            file.segments.push(segment.ok_or_else(|| malformed("a sparse file's map has a bad number"))?);
        }
        self.content(file, left)
    }

    /// Checks a file's segments against its content, and goes on to that.
    fn content(&mut self, file: Box<Open>, left: u64) -> Result<State, Status> {
        let mut end = 0;
        let mut total: u64 = 0;
        for (offset, length) in &file.segments {
            let sensible =
                *offset >= end && offset.checked_add(*length).is_some_and(|stop| stop <= file.size);
            if !sensible {
                return Err(malformed("a sparse file's pieces overlap or reach beyond its end"));
            }
            end = offset + length;
            total += length;
        }
        if total != left {
            return Err(malformed(format!("a sparse file's pieces have {total} bytes, its content {left}")));
        }
        self.content_bytes = self.content_bytes.saturating_add(left);
        if self.max_bytes > 0 && self.content_bytes > self.max_bytes {
            return Err(Status::resource_exhausted(format!(
                "The archive has more than {} bytes of content",
                self.max_bytes
            )));
        }
        self.write(file, left, &[])
    }

    /// Writes content; after the last of it the file gets its attributes.
    fn write(&mut self, mut open: Box<Open>, left: u64, mut bytes: &[u8]) -> Result<State, Status> {
        let left = left - bytes.len() as u64;
        let what = |error: io::Error| status("unpack a file", &error);
        while let Some((offset, length)) = open.segments.get(open.at.0).copied() {
            let piece = take(&mut bytes, length - open.at.1);
            if piece.is_empty() && length > open.at.1 {
                break;
            }
            open.file.write_all_at(piece, offset + open.at.1).map_err(what)?;
            open.at.1 += piece.len() as u64;
            if open.at.1 == length {
                open.at = (open.at.0 + 1, 0);
            }
        }
        if left > 0 {
            return Ok(State::Content { file: open, left });
        }
        let written = open.segments.iter().rfind(|(_, length)| *length > 0);
        if written.map_or(0, |(offset, length)| offset + length) < open.size {
            open.file.set_len(open.size).map_err(what)?;
        }
        self.tree.set(&open.file, &open.header, &open.records, false).map_err(what)?;
        Ok(after(open.padding))
    }
}

/// What follows an entry's content.
fn after(padding: u64) -> State {
    if padding == 0 { State::Header(Vec::new()) } else { State::Skip(padding) }
}

/// Takes up to `limit` bytes from the front.
fn take<'a>(bytes: &mut &'a [u8], limit: u64) -> &'a [u8] {
    let count = usize::try_from(limit).unwrap_or(usize::MAX).min(bytes.len());
    let (taken, rest) = bytes.split_at(count);
    *bytes = rest;
    taken
}

/// Moves bytes over until there are `length`.
fn fill(to: &mut Vec<u8>, from: &mut &[u8], length: usize) {
    let missing = length.saturating_sub(to.len()) as u64;
    to.extend_from_slice(take(from, missing));
}

/// Adds the pieces that an old GNU header or its continuation lists.
fn old_segments(segments: &mut Vec<(u64, u64)>, text: &[u8]) -> Result<(), Status> {
    for pair in text.as_chunks::<24>().0 {
        if pair[0] == 0 {
            break;
        }
        let numbers = number(&pair[..12]).zip(number(&pair[12..]));
        let segment =
            numbers.and_then(|(offset, length)| Some((offset.try_into().ok()?, length.try_into().ok()?)));
        segments.push(segment.ok_or_else(|| malformed("a sparse file's map has a bad number"))?);
    }
    if segments.len() > MAX_SEGMENTS {
        return Err(malformed(format!("a sparse file has more than {MAX_SEGMENTS} pieces")));
    }
    Ok(())
}

/// A path below the root: without a leading slash, `.`, or `..`.
fn safe_path(bytes: &[u8]) -> Result<PathBuf, Status> {
    if bytes.len() > MAX_PATH || bytes.contains(&0) {
        return Err(malformed("a path is too long or has a NUL"));
    }
    let mut path = PathBuf::new();
    for component in Path::new(OsStr::from_bytes(bytes)).components() {
        match component {
            Component::Normal(name) => path.push(name),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => {
                let path = String::from_utf8_lossy(bytes);
                return Err(Status::permission_denied(format!("The archive's path leads outside: {path}")));
            }
        }
    }
    Ok(path)
}

fn malformed(fault: impl std::fmt::Display) -> Status {
    invalid(format!("The archive is malformed: {fault}"))
}
