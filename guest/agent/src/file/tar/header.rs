//! One header block: POSIX.1-2017, pax, "ustar Interchange Format", and GNU's variants of it.

use super::BLOCK;

/// A block.
pub type Block = [u8; BLOCK];

/// What a header says, in the header's own words.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Header {
    pub kind: u8,
    pub path: Vec<u8>,
    pub link: Vec<u8>,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub size: u64,
    pub modified: i64,
    pub major: u32,
    pub minor: u32,
}

const NAME: std::ops::Range<usize> = 0..100;
const MODE: std::ops::Range<usize> = 100..108;
const UID: std::ops::Range<usize> = 108..116;
const GID: std::ops::Range<usize> = 116..124;
const SIZE: std::ops::Range<usize> = 124..136;
const MTIME: std::ops::Range<usize> = 136..148;
const CHECKSUM: std::ops::Range<usize> = 148..156;
const KIND: usize = 156;
const LINK: std::ops::Range<usize> = 157..257;
const MAGIC: std::ops::Range<usize> = 257..265;
const MAJOR: std::ops::Range<usize> = 329..337;
const MINOR: std::ops::Range<usize> = 337..345;
const PREFIX: std::ops::Range<usize> = 345..500;
/// The magic and version of POSIX; GNU's differ, and it has no prefix.
const POSIX: &[u8] = b"ustar\x0000";

/// Reads a header; an error says what is wrong with it.
///
/// # Errors
/// When the checksum is wrong, or a number is none or is out of its range.
pub fn decode(block: &Block) -> Result<Header, String> {
    let stored = number(&block[CHECKSUM]).ok_or("its checksum is no number")?;
    let computed = checksum(block);
    if stored != i64::from(computed) {
        return Err(format!("its checksum is {stored} and should be {computed}"));
    }
    let field = |range: std::ops::Range<usize>, name: &str| {
        number(&block[range]).ok_or_else(|| format!("its {name} is no number"))
    };
    let small = |range, name: &str| {
        u32::try_from(field(range, name)?).map_err(|_| format!("its {name} is out of range"))
    };
    let mut path = text(&block[NAME]);
    let prefix = text(&block[PREFIX]);
    if block[MAGIC] == *POSIX && !prefix.is_empty() {
        path = [prefix.as_slice(), b"/", &path].concat();
    }
    let device = matches!(block[KIND], b'3' | b'4');
    Ok(Header {
        kind: block[KIND],
        path,
        link: text(&block[LINK]),
        mode: small(MODE, "mode")?,
        uid: small(UID, "uid")?,
        gid: small(GID, "gid")?,
        size: u64::try_from(field(SIZE, "size")?).map_err(|_| "its size is negative")?,
        modified: field(MTIME, "mtime")?,
        major: if device { small(MAJOR, "device")? } else { 0 },
        minor: if device { small(MINOR, "device")? } else { 0 },
    })
}

/// Writes a header. What does not fit its field is cut, and has to stand in a pax record before it.
#[must_use]
pub fn encode(header: &Header) -> Block {
    let mut block = [0; BLOCK];
    let mut put = |range: std::ops::Range<usize>, bytes: &[u8]| {
        let length = bytes.len().min(range.len());
        block[range.start..range.start + length].copy_from_slice(&bytes[..length]);
    };
    put(NAME, &header.path);
    put(LINK, &header.link);
    put(MODE, &octal(u64::from(header.mode), 7));
    put(UID, &octal(u64::from(header.uid), 7));
    put(GID, &octal(u64::from(header.gid), 7));
    put(SIZE, &octal(header.size, 11));
    put(MTIME, &octal(u64::try_from(header.modified).unwrap_or(0), 11));
    put(MAJOR, &octal(u64::from(header.major), 7));
    put(MINOR, &octal(u64::from(header.minor), 7));
    put(MAGIC, POSIX);
    block[KIND] = header.kind;
    let sum = octal(u64::from(checksum(&block)), 6);
    block[CHECKSUM][..6].copy_from_slice(&sum);
    block[CHECKSUM][7] = b' ';
    block
}

/// Whether a number fits an octal field of so many digits.
#[must_use]
pub fn fits(value: u64, digits: u32) -> bool {
    value < 1 << (3 * digits)
}

/// A number in octal digits; all sevens if it does not fit.
fn octal(value: u64, digits: u32) -> Vec<u8> {
    let value = if fits(value, digits) { value } else { (1 << (3 * digits)) - 1 };
    format!("{value:0width$o}", width = digits as usize).into_bytes()
}

/// The sum of all bytes, those of the checksum itself as spaces.
fn checksum(block: &Block) -> u32 {
    let spaces = u32::from(b' ') * 8;
    let bytes = block.iter().enumerate().filter(|(index, _)| !CHECKSUM.contains(index));
    spaces + bytes.map(|(_, byte)| u32::from(*byte)).sum::<u32>()
}

/// The bytes before the first NUL.
fn text(field: &[u8]) -> Vec<u8> {
    field.iter().copied().take_while(|byte| *byte != 0).collect()
}

/// A number in octal digits, or in GNU's base 256, which the field's first bit tells.
#[must_use]
pub fn number(field: &[u8]) -> Option<i64> {
    let first = *field.first()?;
    if first & 0x80 != 0 {
        // 0xff starts a negative number in two's complement, 0x80 a positive one.
        let start: i128 = if first == 0xff { -1 } else { i128::from(first & 0x7f) };
        let value = field[1..].iter().fold(start, |value, byte| (value << 8) | i128::from(*byte));
        return i64::try_from(value).ok();
    }
    let digits = field.trim_ascii_start().split(|byte| matches!(byte, 0 | b' ')).next()?;
    if digits.is_empty() {
        return Some(0);
    }
    i64::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok().filter(|value| *value >= 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Header {
        Header {
            kind: b'3',
            path: b"dir/file".to_vec(),
            link: b"target".to_vec(),
            mode: 0o4755,
            uid: 1000,
            gid: 0o7_777_777,
            size: 0o77_777_777_777,
            modified: 1_700_000_000,
            major: 5,
            minor: 1,
        }
    }

    #[test]
    fn a_header_is_read_as_it_was_written() {
        assert_eq!(decode(&encode(&sample())), Ok(sample()));
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let block = encode(&sample());
        // But for the space that ends the checksum itself.
        for index in (0..BLOCK).filter(|index| *index != CHECKSUM.end - 1) {
            let mut changed = block;
            changed[index] ^= 1;
            assert!(decode(&changed).is_err(), "byte {index}");
        }
    }

    #[test]
    fn numbers_are_octal_or_base_256_or_missing() {
        assert_eq!(number(b"0000644\0"), Some(0o644));
        assert_eq!(number(b"   644 \0"), Some(0o644));
        assert_eq!(number(b"\0\0\0\0"), Some(0));
        assert_eq!(number(&[0x80, 0, 0, 1, 0, 0, 0, 0]), Some(1 << 32));
        assert_eq!(number(&[0xff, 0xff, 0xff, 0xfe]), Some(-2));
        assert_eq!(number(b"9"), None);
        assert_eq!(number(b"-1"), None);
        assert_eq!(number(&[0x80 | 0x3f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), None);
    }
}
