//! Tar archives: read in pieces as they come and unpacked, and packed in pieces as they are taken.
//!
//! Formats: POSIX.1-2017 pax, with the ustar and GNU headers that it grew out of; sparse files as GNU tar writes them;
//! extended attributes as `SCHILY.xattr.` records.

pub mod content;
pub mod header;
pub mod pack;
pub mod pax;
pub mod tree;
pub mod unpack;

/// What everything in an archive is a multiple of.
pub const BLOCK: usize = 512;
/// The most that an entry's extra headers may hold: names, and attributes of up to 64 KiB each.
pub const MAX_EXTRA: u64 = 1024 * 1024;
/// The most pieces that a sparse file may have.
pub const MAX_SEGMENTS: usize = 65_536;
/// The longest path.
pub const MAX_PATH: usize = 4095;

/// What stands between a file's content and the next header.
#[must_use]
pub fn padding(length: u64) -> u64 {
    length.next_multiple_of(BLOCK as u64) - length
}
