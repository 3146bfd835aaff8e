//! A regular file that is filled from an archive, its holes where the archive says they are.

use super::header::{Block, Header, number};
use super::pax::{Records, decimal};
use super::unpack::{malformed, take};
use super::{MAX_EXTRA, MAX_SEGMENTS};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use tonic::Status;

/// Where GNU's old headers keep the first pieces, whether more follow, and the file's length.
const OLD_PIECES: std::ops::Range<usize> = 386..482;
const OLD_MORE: usize = 482;
const OLD_SIZE: std::ops::Range<usize> = 483..495;
/// The same of the blocks that follow them.
const NEXT_PIECES: std::ops::Range<usize> = 0..504;
const NEXT_MORE: usize = 504;

/// Where the archive says which pieces a file has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MapKind {
    /// Nowhere any more: it is one piece, or they are known from its records.
    None,
    /// In its header and the blocks after it.
    Old,
    /// Before its content.
    Before,
}

/// A file, and what is still to be filled of it.
pub struct Content {
    pub file: File,
    pub header: Header,
    pub records: Records,
    segments: Vec<(u64, u64)>,
    /// The segment that is filled, and how far.
    at: (usize, u64),
    /// The file's length.
    size: u64,
    map: MapKind,
}

impl Content {
    /// A file that is still empty.
    #[must_use]
    pub fn new(file: File, header: Header, mut records: Records) -> Self {
        let map = match header.kind {
            b'S' => MapKind::Old,
            _ if records.sparse.map_in_content => MapKind::Before,
            _ => MapKind::None,
        };
        let size = records.sparse.size.unwrap_or(header.size);
        let whole = vec![(0, header.size)];
        let segments =
            if map == MapKind::None { records.sparse.map.take().unwrap_or(whole) } else { Vec::new() };
        Self { file, header, records, segments, at: (0, 0), size, map }
    }

    /// Where its pieces are told.
    #[must_use]
    pub fn map_kind(&self) -> MapKind {
        self.map
    }

    /// Takes the pieces of an old header; whether more follow.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`.
    pub fn old_header(&mut self, block: &Block) -> Result<bool, Status> {
        let size = number(&block[OLD_SIZE]).and_then(|size| u64::try_from(size).ok());
        self.size = size.ok_or_else(|| malformed("a sparse file's size is no number"))?;
        self.old_pieces(&block[OLD_PIECES])?;
        Ok(block[OLD_MORE] != 0)
    }

    /// Takes the pieces of a block after an old header; whether more follow.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`.
    pub fn old_continuation(&mut self, block: &Block) -> Result<bool, Status> {
        self.old_pieces(&block[NEXT_PIECES])?;
        Ok(block[NEXT_MORE] != 0)
    }

    fn old_pieces(&mut self, text: &[u8]) -> Result<(), Status> {
        for pair in text.as_chunks::<24>().0.iter().take_while(|pair| pair[0] != 0) {
            let numbers = number(&pair[..12]).zip(number(&pair[12..]));
            let unsigned =
                |(offset, length): (i64, i64)| Some((offset.try_into().ok()?, length.try_into().ok()?));
            let segment = numbers.and_then(unsigned);
            self.segments.push(segment.ok_or_else(|| malformed("a sparse file's map has a bad number"))?);
        }
        if self.segments.len() > MAX_SEGMENTS {
            return Err(malformed(format!("a sparse file has more than {MAX_SEGMENTS} pieces")));
        }
        Ok(())
    }

    /// Takes the map that stands before the content: a count, and so many pairs of offset and length, a line each;
    /// false if it is not complete yet.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`.
    pub fn map_before(&mut self, text: &[u8]) -> Result<bool, Status> {
        if text.len() as u64 > MAX_EXTRA {
            return Err(malformed("a sparse file's map is too long"));
        }
        let mut lines = text.split(|byte| *byte == b'\n');
        let count: Option<usize> = lines.next().and_then(decimal);
        let count = count.filter(|count| *count <= MAX_SEGMENTS);
        let count = count.ok_or_else(|| malformed("a sparse file's map has no sensible count"))?;
        // What comes after the last newline is no line yet.
        let numbers: Vec<&[u8]> = lines.collect();
        if numbers.len() <= 2 * count {
            return Ok(false);
        }
        for pair in numbers[..2 * count].as_chunks::<2>().0 {
            let segment = decimal(pair[0]).zip(decimal(pair[1]));
            self.segments.push(segment.ok_or_else(|| malformed("a sparse file's map has a bad number"))?);
        }
        Ok(true)
    }

    /// Checks the pieces against each other, the file's length, and the `length` of its content.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`.
    pub fn check(&self, length: u64) -> Result<(), Status> {
        let (mut end, mut total) = (0, 0);
        for (offset, length) in &self.segments {
            let stop = offset.checked_add(*length).filter(|stop| *offset >= end && *stop <= self.size);
            end = stop.ok_or_else(|| malformed("a sparse file's pieces overlap or reach beyond its end"))?;
            total += length;
        }
        if total != length {
            return Err(malformed(format!(
                "a sparse file's pieces have {total} bytes, its content {length}"
            )));
        }
        Ok(())
    }

    /// Writes what comes next of the content.
    ///
    /// # Errors
    /// The kernel's.
    pub fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while let Some((offset, length)) = self.segments.get(self.at.0).copied() {
            let piece = take(&mut bytes, length - self.at.1);
            if piece.is_empty() && length > self.at.1 {
                break;
            }
            self.file.write_all_at(piece, offset + self.at.1)?;
            self.at.1 += piece.len() as u64;
            if self.at.1 == length {
                self.at = (self.at.0 + 1, 0);
            }
        }
        Ok(())
    }

    /// Gives the file its length, where that is a hole's end.
    ///
    /// # Errors
    /// The kernel's.
    pub fn finish(&self) -> io::Result<()> {
        let last = self.segments.iter().rfind(|(_, length)| *length > 0);
        let written = last.map_or(0, |(offset, length)| offset + length);
        if written < self.size { self.file.set_len(self.size) } else { Ok(()) }
    }
}
