//! Unpacks an archive that comes in pieces.
//!
//! The archive is not trusted: its headers are checked, its sizes and counts bounded, and nothing is kept of an entry
//! once it is made. `tree` makes it.

use super::content::{Content, MapKind};
use super::header::{Block, Header, decode};
use super::pax::{Records, parse};
use super::tree::Tree;
use super::{BLOCK, MAX_EXTRA, MAX_PATH, padding};
use crate::api::Owner;
use crate::errors::{invalid, status};
use crate::file::temporary::Temporary;
use rustix::fs::{AtFlags, FileType, Mode, linkat, mknodat, symlinkat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
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
    /// The regular file that is being filled, and its path: it has its name once it is whole.
    unnamed: Option<(PathBuf, Temporary)>,
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
        file: Box<Content>,
        left: u64,
    },
    /// The map that stands before the content of a sparse file.
    Map {
        text: Vec<u8>,
        file: Box<Content>,
        left: u64,
    },
    Content {
        file: Box<Content>,
        left: u64,
    },
    Skip(u64),
    End,
}

impl Unpacker {
    /// Below an open directory.
    #[must_use]
    pub fn new(root: OwnedFd, options: &Options) -> Self {
        Self {
            tree: Tree::new(root, options.owner, options.no_replace),
            max_entries: options.max_entries,
            max_bytes: options.max_bytes,
            state: State::Header(Vec::new()),
            records: Records::default(),
            unnamed: None,
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
                        Ok(whole) if file.old_continuation(whole)? => {
                            State::OldMap { block: Vec::new(), file, left }
                        }
                        Ok(_) => self.content(file, left)?,
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
        let begun = self.tree.begin(path);
        let (file, temporary) =
            begun.map_err(|error| status(format!("unpack {}", path.display()), &error))?;
        self.unnamed = Some((path.to_owned(), temporary));
        let left = header.size;
        let mut file = Box::new(Content::new(file, header, records));
        match file.map_kind() {
            MapKind::None => {}
            MapKind::Before => return Ok(State::Map { text: Vec::new(), file, left }),
            MapKind::Old => {
                if file.old_header(block)? {
                    return Ok(State::OldMap { block: Vec::new(), file, left });
                }
            }
        }
        self.content(file, left)
    }

    /// Takes a block of the map that stands before a sparse file's content.
    fn map(
        &mut self,
        mut text: Vec<u8>,
        mut file: Box<Content>,
        left: u64,
        bytes: &mut &[u8],
    ) -> Result<State, Status> {
        let whole = text.len() / BLOCK * BLOCK + BLOCK;
        let before = text.len();
        fill(&mut text, bytes, whole);
        let cut = || malformed("a sparse file's map is cut");
        let left = left.checked_sub((text.len() - before) as u64).ok_or_else(cut)?;
        if text.len() == whole && file.map_before(&text)? {
            return self.content(file, left);
        }
        if left == 0 { Err(cut()) } else { Ok(State::Map { text, file, left }) }
    }

    /// Goes on to a file's content.
    fn content(&mut self, file: Box<Content>, left: u64) -> Result<State, Status> {
        file.check(left)?;
        self.content_bytes = self.content_bytes.saturating_add(left);
        if self.max_bytes > 0 && self.content_bytes > self.max_bytes {
            let message = format!("The archive has more than {} bytes of content", self.max_bytes);
            return Err(Status::resource_exhausted(message));
        }
        self.write(file, left, &[])
    }

    /// Writes content; after the last of it the file gets its attributes.
    fn write(&mut self, mut file: Box<Content>, left: u64, bytes: &[u8]) -> Result<State, Status> {
        let what = |error: io::Error| status("unpack a file", &error);
        file.write(bytes).map_err(what)?;
        let left = left - bytes.len() as u64;
        if left > 0 {
            return Ok(State::Content { file, left });
        }
        file.finish().map_err(what)?;
        self.tree.set(&file.file, &file.header, &file.records, false).map_err(what)?;
        if let Some((path, temporary)) = self.unnamed.take() {
            self.tree.complete(&path, temporary).map_err(what)?;
        }
        Ok(after(padding(file.header.size)))
    }
}

/// What follows an entry's content.
fn after(padding: u64) -> State {
    if padding == 0 { State::Header(Vec::new()) } else { State::Skip(padding) }
}

/// Takes up to `limit` bytes from the front.
pub(super) fn take<'a>(bytes: &mut &'a [u8], limit: u64) -> &'a [u8] {
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

/// The status for an archive that breaks its format's rules.
pub(super) fn malformed(fault: impl std::fmt::Display) -> Status {
    invalid(format!("The archive is malformed: {fault}"))
}
