//! Pax records, which say what a header has no room for: `LENGTH KEY=VALUE\n`, the length counting itself.

use super::MAX_SEGMENTS;

/// The prefix of extended attributes' keys.
pub const XATTR: &str = "SCHILY.xattr.";

/// What records say of the entry that follows them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Records {
    pub path: Option<Vec<u8>>,
    pub link: Option<Vec<u8>>,
    pub size: Option<u64>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub modified_ns: Option<i64>,
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub sparse: Sparse,
}

/// What they say of a sparse file, in the two forms that GNU tar writes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sparse {
    /// The file's length.
    pub size: Option<u64>,
    /// Version 0.1: pairs of offset and length.
    pub map: Option<Vec<(u64, u64)>>,
    /// Version 1.0: the map stands before the content.
    pub map_in_content: bool,
}

/// Adds the records in `text` to those before; an error says what is wrong.
///
/// # Errors
/// When a record is malformed, or a known key has no value of its kind.
pub fn parse(mut text: &[u8], records: &mut Records) -> Result<(), String> {
    while !text.is_empty() {
        let space = text.iter().position(|byte| *byte == b' ').ok_or("a pax record has no length")?;
        let length: usize = decimal(&text[..space]).ok_or("a pax record's length is no number")?;
        if length <= space + 1 || length > text.len() || text[length - 1] != b'\n' {
            return Err(format!("a pax record's length of {length} is wrong"));
        }
        let record = &text[space + 1..length - 1];
        let equals = record.iter().position(|byte| *byte == b'=').ok_or("a pax record has no value")?;
        let key = std::str::from_utf8(&record[..equals]).map_err(|_| "a pax record's key is not UTF-8")?;
        set(records, key, &record[equals + 1..])
            .ok_or_else(|| format!("the pax record {key} has a bad value"))?;
        text = &text[length..];
    }
    Ok(())
}

fn set(records: &mut Records, key: &str, value: &[u8]) -> Option<()> {
    match key {
        "path" | "GNU.sparse.name" => records.path = Some(value.to_vec()),
        "linkpath" => records.link = Some(value.to_vec()),
        "size" => records.size = Some(decimal(value)?),
        "uid" => records.uid = Some(decimal(value)?),
        "gid" => records.gid = Some(decimal(value)?),
        "mtime" => records.modified_ns = Some(time(value)?),
        "GNU.sparse.major" => records.sparse.map_in_content = value == b"1",
        "GNU.sparse.size" | "GNU.sparse.realsize" => records.sparse.size = Some(decimal(value)?),
        "GNU.sparse.map" => records.sparse.map = Some(map(value)?),
        _ => {
            if let Some(name) = key.strip_prefix(XATTR) {
                records.xattrs.push((name.as_bytes().to_vec(), value.to_vec()));
            }
        }
    }
    Some(())
}

/// `OFFSET,LENGTH,OFFSET,LENGTH…`
fn map(value: &[u8]) -> Option<Vec<(u64, u64)>> {
    if value.is_empty() {
        return Some(Vec::new());
    }
    let numbers: Vec<u64> = value.split(|byte| *byte == b',').map(decimal).collect::<Option<_>>()?;
    let (pairs, rest) = numbers.as_chunks::<2>();
    (rest.is_empty() && pairs.len() <= MAX_SEGMENTS)
        .then(|| pairs.iter().map(|pair| (pair[0], pair[1])).collect())
}

/// Decimal digits alone.
pub fn decimal<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| digits)?.parse().ok()
}

/// Seconds since 1970 with a fraction, perhaps negative, in nanoseconds.
fn time(value: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(value).ok()?;
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = decimal(seconds.as_bytes())?;
    let fraction = fraction.get(..9).unwrap_or(fraction);
    let nanoseconds: i64 =
        if fraction.is_empty() { 0 } else { decimal(format!("{fraction:0<9}").as_bytes())? };
    seconds.checked_mul(1_000_000_000)?.checked_add(nanoseconds)?.checked_mul(sign)
}

/// Adds a record to `text`.
pub fn push(text: &mut Vec<u8>, key: &str, value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    // The length's own digits may make it a digit longer.
    let mut length = rest + 1;
    while rest + length.to_string().len() != length {
        length = rest + length.to_string().len();
    }
    text.extend_from_slice(format!("{length} {key}=").as_bytes());
    text.extend_from_slice(value);
    text.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_every_length_are_read_as_they_were_written() {
        for length in 0..1200 {
            let mut text = Vec::new();
            push(&mut text, "path", &vec![b'x'; length]);
            push(&mut text, "SCHILY.xattr.user.a", b"a=b\nc\0");
            let mut records = Records::default();
            parse(&text, &mut records).unwrap();
            assert_eq!(records.path.unwrap().len(), length);
            assert_eq!(records.xattrs, [(b"user.a".to_vec(), b"a=b\nc\0".to_vec())]);
        }
    }

    #[test]
    fn malformed_records_are_refused() {
        for text in [
            "x",
            "5 a=b",
            "6 a=b",
            "99 a=b\n",
            "0 a=b\n",
            "6 ab\n\n",
            "6 ab.\n",
            "-6 a=b\n",
            "11 size=1x\n",
            "12 mtime=1.x\n",
            "21 GNU.sparse.map=1\n",
        ] {
            assert!(parse(text.as_bytes(), &mut Records::default()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_time_has_a_sign_and_a_fraction() {
        assert_eq!(time(b"1.5"), Some(1_500_000_000));
        assert_eq!(time(b"-1.25"), Some(-1_250_000_000));
        assert_eq!(time(b"7.1234567891"), Some(7_123_456_789));
        assert_eq!(time(b"99999999999999"), None);
    }
}
