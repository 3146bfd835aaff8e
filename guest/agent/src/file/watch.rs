//! Tells what changes in a directory, or everywhere below it.

use super::place::Place;
use super::walk::Walk;
use crate::api::watch_files_response::Event;
use crate::api::{FileChange, FileChangeKind, FileChangesLost, FileWatchStarted, WatchFilesResponse};
use crate::sys::watched;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, statat};
use rustix::io::Errno;
use std::collections::{HashMap, VecDeque};
use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// How many directories are watched at most.
const MAX_DIRECTORIES: usize = 8192;
/// How many changes may wait for the caller; the kernel keeps 16,384 more.
const MAX_WAITING: usize = 1024;

/// A watch.
pub struct FileWatch {
    inotify: AsyncFd<OwnedFd>,
    /// Each watched directory's path, and what it is opened through.
    paths: HashMap<i32, PathBuf>,
    root: Option<OwnedFd>,
    waiting: VecDeque<Event>,
}

impl FileWatch {
    /// Watches a place. Blocks as long as a look at all its directories takes.
    ///
    /// # Errors
    /// The kernel's: ENOSPC when it is too much to watch.
    pub fn new(place: &Place, recursive: bool) -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        let top = place.open(OFlags::PATH, Mode::empty())?;
        let mut paths = HashMap::new();
        add(&inotify, &top, Path::new(""), &mut paths)?;
        let directory = recursive.then(|| place.open(OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()));
        let root = directory.transpose()?;
        if let Some(root) = &root {
            add_below(&inotify, root.try_clone()?, Path::new(""), &mut paths, None)?;
        }
        let directories = u32::try_from(paths.len()).unwrap_or(u32::MAX);
        let waiting = VecDeque::from([Event::Started(FileWatchStarted { directories })]);
        Ok(Self { inotify: watched(inotify, Interest::READABLE)?, paths, root, waiting })
    }

    /// The next change.
    ///
    /// # Errors
    /// The kernel's; ENOENT once what was watched is gone.
    pub async fn next(&mut self) -> io::Result<WatchFilesResponse> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Ok(WatchFilesResponse { event: Some(event) });
            }
            if self.paths.is_empty() {
                return Err(Errno::NOENT.into());
            }
            self.inotify.readable().await?.clear_ready();
            self.take()?;
        }
    }

    /// Takes what the kernel has told.
    fn take(&mut self) -> io::Result<()> {
        let mut buffer = [MaybeUninit::uninit(); 8192];
        let mut new = Vec::new();
        let mut reader = inotify::Reader::new(self.inotify.get_ref(), &mut buffer);
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(error.into()),
            };
            let flags = event.events();
            if flags.contains(ReadFlags::IGNORED) {
                self.paths.remove(&event.wd());
                continue;
            }
            if flags.contains(ReadFlags::QUEUE_OVERFLOW) || self.waiting.len() >= MAX_WAITING {
                lose(&mut self.waiting);
                continue;
            }
            let (Some(kind), Some(directory)) = (kind(flags), self.paths.get(&event.wd())) else {
                continue;
            };
            let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
            let path = name.map_or_else(|| directory.clone(), |name| directory.join(name));
            let is_directory = flags.contains(ReadFlags::ISDIR);
            if is_directory && kind == FileChangeKind::Created {
                new.push(path.clone());
            }
            let change = FileChange {
                path: path.to_string_lossy().into_owned(),
                kind: kind.into(),
                directory: is_directory,
            };
            self.waiting.push_back(Event::Change(change));
        }
        for path in &new {
            self.follow(path);
        }
        Ok(())
    }

    /// Watches a new directory too. What was made in it before that is told now.
    fn follow(&mut self, path: &Path) {
        let Some(root) = &self.root else {
            return;
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let followed = super::place::open_beneath(root, path, flags, Mode::empty()).and_then(|directory| {
            add(self.inotify.get_ref(), &directory, path, &mut self.paths)?;
            add_below(self.inotify.get_ref(), directory, path, &mut self.paths, Some(&mut self.waiting))
        });
        // It may be gone again; but if it was too much to watch, the caller must look for itself.
        if followed.is_err_and(|error| !super::walk::has_gone(&error)) {
            lose(&mut self.waiting);
        }
    }
}

fn lose(waiting: &mut VecDeque<Event>) {
    if !matches!(waiting.back(), Some(Event::Lost(_))) {
        waiting.push_back(Event::Lost(FileChangesLost {}));
    }
}

fn kind(flags: ReadFlags) -> Option<FileChangeKind> {
    let kinds = [
        (ReadFlags::CREATE | ReadFlags::MOVED_TO, FileChangeKind::Created),
        (ReadFlags::CLOSE_WRITE, FileChangeKind::Written),
        (
            ReadFlags::DELETE | ReadFlags::MOVED_FROM | ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF,
            FileChangeKind::Removed,
        ),
        (ReadFlags::ATTRIB, FileChangeKind::Attributes),
    ];
    kinds.into_iter().find(|(those, _)| flags.intersects(*those)).map(|(_, kind)| kind)
}

/// Watches an open file or directory.
fn add(inotify: &OwnedFd, file: impl AsFd, path: &Path, paths: &mut HashMap<i32, PathBuf>) -> io::Result<()> {
    if paths.len() >= MAX_DIRECTORIES {
        return Err(Errno::NOSPC.into());
    }
    let mut flags = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::CLOSE_WRITE | WatchFlags::DELETE;
    flags |= WatchFlags::MOVED_FROM | WatchFlags::ATTRIB;
    if path.as_os_str().is_empty() {
        flags |= WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF;
    }
    // The kernel takes a path only; this one leads to the very file.
    let name = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
    paths.insert(inotify::add_watch(inotify, name.as_str(), flags)?, path.to_owned());
    Ok(())
}

/// Watches every directory below an open one, and tells what is met there to `found`.
fn add_below(
    inotify: &OwnedFd,
    directory: OwnedFd,
    path: &Path,
    paths: &mut HashMap<i32, PathBuf>,
    mut found: Option<&mut VecDeque<Event>>,
) -> io::Result<()> {
    let mut walk = Walk::new(directory)?;
    while let Some(directory) = walk.directory().map(|fd| fd.try_clone_to_owned()).transpose()? {
        let Some(met) = walk.meet()? else {
            walk.leave();
            continue;
        };
        let Ok(stat) = statat(&directory, met.name.as_c_str(), AtFlags::SYMLINK_NOFOLLOW) else {
            continue;
        };
        let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        let path = path.join(&met.path);
        if let Some(found) = &mut found {
            let kind = FileChangeKind::Created.into();
            found.push_back(Event::Change(FileChange {
                path: path.to_string_lossy().into_owned(),
                kind,
                directory: is_directory,
            }));
        }
        if is_directory
            && walk.enter(&met).is_ok()
            && let Some(entered) = walk.directory()
        {
            add(inotify, entered, &path, paths)?;
        }
    }
    Ok(())
}
