//! What is known of a file, as the API tells it.

use crate::api::{FileInfo, FileType};
use rustix::fs::{AtFlags, Stat, fstat, readlinkat, statat};
use std::ffi::CString;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The permission bits, setuid, setgid and sticky among them.
pub const PERMISSIONS: u32 = 0o7777;
/// What a file is, in its mode.
const KIND: u32 = 0o170_000;

/// A kind of file, by the bits of its mode.
#[must_use]
pub fn file_type(mode: u32) -> FileType {
    match mode & KIND {
        0o100_000 => FileType::Regular,
        0o040_000 => FileType::Directory,
        0o120_000 => FileType::Symlink,
        0o010_000 => FileType::Fifo,
        0o140_000 => FileType::Socket,
        0o020_000 => FileType::CharacterDevice,
        0o060_000 => FileType::BlockDevice,
        _ => FileType::Unspecified,
    }
}

/// An open file, told under `path`.
///
/// # Errors
/// The kernel's.
pub fn of_open(file: impl AsFd, path: &Path) -> io::Result<FileInfo> {
    let stat = fstat(&file)?;
    // Only a symbolic link that was opened as itself is one here.
    let link = (file_type(stat.st_mode) == FileType::Symlink).then(|| readlinkat(&file, c"", Vec::new()));
    Ok(describe(&stat, path, link.transpose()?))
}

/// A name in a directory, told under `path`; a symbolic link is not followed.
///
/// # Errors
/// The kernel's.
pub fn of_entry(
    directory: impl AsFd,
    name: impl rustix::path::Arg + Copy,
    path: &Path,
) -> io::Result<FileInfo> {
    let stat = statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let link =
        (file_type(stat.st_mode) == FileType::Symlink).then(|| readlinkat(&directory, name, Vec::new()));
    Ok(describe(&stat, path, link.transpose()?))
}

fn describe(stat: &Stat, path: &Path, link: Option<CString>) -> FileInfo {
    let bytes = path.as_os_str().as_bytes();
    let lossless = std::str::from_utf8(bytes).is_ok();
    let major = u64::from(rustix::fs::major(stat.st_rdev));
    let minor = u64::from(rustix::fs::minor(stat.st_rdev));
    #[allow(clippy::useless_conversion, reason = "the architectures count links in different types")]
    let links = u64::from(stat.st_nlink);
    FileInfo {
        path: path.to_string_lossy().into_owned(),
        path_bytes: if lossless { bytes::Bytes::new() } else { bytes::Bytes::copy_from_slice(bytes) },
        r#type: file_type(stat.st_mode).into(),
        mode: stat.st_mode & PERMISSIONS,
        uid: stat.st_uid,
        gid: stat.st_gid,
        size_bytes: u64::try_from(stat.st_size).unwrap_or(0),
        allocated_bytes: u64::try_from(stat.st_blocks).unwrap_or(0) * 512,
        modified_unix_ns: modified(stat),
        links,
        inode: stat.st_ino,
        device: stat.st_dev,
        device_number: major << 32 | minor,
        link_target: link.map(|target| target.to_string_lossy().into_owned()).unwrap_or_default(),
    }
}

/// When the content changed last, in nanoseconds since 1970.
#[must_use]
pub fn modified(stat: &Stat) -> i64 {
    let nanoseconds = i64::try_from(stat.st_mtime_nsec).unwrap_or(0);
    stat.st_mtime.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}
