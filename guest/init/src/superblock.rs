//! What kelpie-init reads of an ext4 superblock: its label and its size (ext4 on-disk layout, "The Super Block").

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

const OFFSET: u64 = 1024;
const SIZE: usize = 1024;
const MAGIC: u16 = 0xef53;
const FEATURE_INCOMPAT_64BIT: u32 = 0x80;
const MAX_LOG_BLOCK_SIZE: u32 = 6;

#[derive(Debug, PartialEq, Eq)]
pub struct Superblock {
    pub label: String,
    pub block_bytes: u64,
    pub blocks: u64,
}

impl Superblock {
    /// Reads the superblock of an open device; `None` if there is no ext4 on it.
    pub fn read(device: &File) -> io::Result<Option<Self>> {
        let mut bytes = [0; SIZE];
        match device.read_exact_at(&mut bytes, OFFSET) {
            Ok(()) => Ok(Self::parse(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn parse(bytes: &[u8; SIZE]) -> Option<Self> {
        let half = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let word = |at: usize| u32::from(half(at)) | u32::from(half(at + 2)) << 16;
        let log_block_size = word(0x18);
        if half(0x38) != MAGIC || log_block_size > MAX_LOG_BLOCK_SIZE {
            return None;
        }
        let high = if word(0x60) & FEATURE_INCOMPAT_64BIT == 0 {
            0
        } else {
            word(0x150)
        };
        let label = bytes[0x78..0x88]
            .split(|byte| *byte == 0)
            .next()
            .unwrap_or_default();
        Some(Self {
            label: String::from_utf8_lossy(label).into_owned(),
            block_bytes: 1024 << log_block_size,
            blocks: u64::from(word(0x04)) | u64::from(high) << 32,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        bytes[0x04..0x08].copy_from_slice(&40_000u32.to_le_bytes());
        bytes[0x18..0x1c].copy_from_slice(&2u32.to_le_bytes());
        bytes[0x38..0x3a].copy_from_slice(&MAGIC.to_le_bytes());
        bytes[0x78..0x83].copy_from_slice(b"kelpie-root");
        bytes[0x150..0x154].copy_from_slice(&1u32.to_le_bytes());
        bytes
    }

    #[test]
    fn label_and_size_are_read() {
        let found = Superblock::parse(&sample()).unwrap();
        assert_eq!(found.label, "kelpie-root");
        assert_eq!((found.block_bytes, found.blocks), (4096, 40_000));
    }

    #[test]
    fn the_high_half_of_the_size_counts_only_with_the_64bit_feature() {
        let mut bytes = sample();
        bytes[0x60] = 0x80;
        assert_eq!(
            Superblock::parse(&bytes).unwrap().blocks,
            (1 << 32) + 40_000
        );
    }

    #[test]
    fn a_label_may_fill_its_sixteen_bytes() {
        let mut bytes = sample();
        bytes[0x78..0x88].copy_from_slice(b"0123456789abcdef");
        assert_eq!(Superblock::parse(&bytes).unwrap().label, "0123456789abcdef");
    }

    #[test]
    fn anything_else_is_no_superblock() {
        assert_eq!(Superblock::parse(&[0; SIZE]), None);
        let mut bytes = sample();
        bytes[0x18] = 60;
        assert_eq!(Superblock::parse(&bytes), None);
    }

    #[test]
    fn a_device_that_is_too_short_has_none() {
        let path = std::env::temp_dir().join(format!("kelpie-init-short-{}", std::process::id()));
        std::fs::write(&path, [0; 1500]).unwrap();
        let found = Superblock::read(&File::open(&path).unwrap());
        std::fs::remove_file(&path).unwrap();
        assert_eq!(found.unwrap(), None);
    }
}
