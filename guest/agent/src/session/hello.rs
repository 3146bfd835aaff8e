//! The handshake's words (docs/boot-contract.md, "Agent ports"): finds a hello in a stream of anything.

/// What a hello starts with.
const PREFIX: &[u8; 15] = b"KELPIE-HELLO 1 ";
/// A nonce's length in hexadecimal digits.
const NONCE_LEN: usize = 32;
/// A whole hello: prefix, nonce, newline.
pub const HELLO_LEN: usize = PREFIX.len() + NONCE_LEN + 1;

/// A host's nonce: 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nonce([u8; NONCE_LEN]);

impl Nonce {
    /// The answer to the hello that carried this nonce: whose session it will be, and that it may begin.
    #[must_use]
    pub fn answer(&self, instance_id: &str) -> Vec<u8> {
        let instance = instance_id.as_bytes();
        [b"KELPIE-INSTANCE ", instance, b"\nKELPIE-READY 1 ", self.0.as_slice(), b"\n"].concat()
    }
}

/// Looks for a hello, byte by byte, in as little state as its position in one.
///
/// A mismatch never has to look back: the first byte of a hello, `K`, occurs nowhere else in it.
#[derive(Default, Debug)]
pub struct HelloScanner {
    matched: usize,
    nonce: [u8; NONCE_LEN],
}

impl HelloScanner {
    /// Takes bytes up to the end of the first hello: how many those were, and the hello's nonce. Without a hello all
    /// bytes are taken.
    pub fn push(&mut self, bytes: &[u8]) -> (usize, Option<Nonce>) {
        for (index, &byte) in bytes.iter().enumerate() {
            if self.step(byte) {
                self.matched = 0;
                return (index + 1, Some(Nonce(self.nonce)));
            }
        }
        (bytes.len(), None)
    }

    /// Whether the last bytes may be the beginning of a hello.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.matched > 0
    }

    /// Takes one byte; true at the end of a hello.
    fn step(&mut self, byte: u8) -> bool {
        let position = self.matched;
        let fits = match position {
            0..15 => byte == PREFIX[position],
            15..47 => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            _ => byte == b'\n',
        };
        if !fits {
            self.matched = usize::from(byte == PREFIX[0]);
            return false;
        }
        if let Some(digit) = position.checked_sub(PREFIX.len()).filter(|&at| at < NONCE_LEN) {
            self.nonce[digit] = byte;
        }
        self.matched += 1;
        self.matched == HELLO_LEN
    }
}

/// Whether `bytes` start with a whole hello.
#[must_use]
pub fn starts_with_hello(bytes: &[u8]) -> bool {
    bytes.get(..HELLO_LEN).is_some_and(ends_with_hello)
}

/// Whether `tail` ends with a whole hello.
#[must_use]
pub fn ends_with_hello(tail: &[u8]) -> bool {
    let Some(start) = tail.len().checked_sub(HELLO_LEN) else {
        return false;
    };
    HelloScanner::default().push(&tail[start..]).1.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &[u8] = b"KELPIE-HELLO 1 0123456789abcdef0123456789abcdef\n";

    fn scan(pieces: &[&[u8]]) -> Option<Vec<u8>> {
        let mut scanner = HelloScanner::default();
        pieces.iter().find_map(|piece| scanner.push(piece).1).map(|nonce| nonce.answer("me"))
    }

    #[test]
    fn a_hello_is_found_after_anything_and_answered_with_its_nonce() {
        let expected =
            Some(b"KELPIE-INSTANCE me\nKELPIE-READY 1 0123456789abcdef0123456789abcdef\n".to_vec());
        for noise in [
            &b""[..],
            b"\0\xff\r\n",
            b"KELPIE-HELLO 1 0123KELPIE-HELLO ",
            b"KKKELPIE-",
            HELLO.split_last().unwrap().1,
        ] {
            assert_eq!(scan(&[noise, HELLO]), expected, "after {noise:?}");
        }
    }

    #[test]
    fn a_hello_is_found_however_it_is_cut() {
        for cut in 0..=HELLO.len() {
            assert!(scan(&[b"noise", &HELLO[..cut], &HELLO[cut..]]).is_some(), "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = HELLO.chunks(1).collect();
        assert!(scan(&bytes).is_some());
    }

    #[test]
    fn what_only_resembles_a_hello_is_passed_over() {
        for lookalike in [
            &b"KELPIE-HELLO 2 0123456789abcdef0123456789abcdef\n"[..],
            b"KELPIE-HELLO 1 0123456789ABCDEF0123456789ABCDEF\n",
            b"KELPIE-HELLO 1 0123456789abcdef0123456789abcde\n",
            b"KELPIE-HELLO 1 0123456789abcdef0123456789abcdef0\n",
            b"KELPIE-READY 1 0123456789abcdef0123456789abcdef\n",
        ] {
            assert_eq!(scan(&[lookalike]), None, "{lookalike:?}");
        }
    }

    #[test]
    fn a_hello_at_the_beginning_is_told_from_one_elsewhere() {
        assert!(starts_with_hello(&[HELLO, b"PRI"].concat()));
        assert!(!starts_with_hello(&[b"K", HELLO].concat()));
        assert!(!starts_with_hello(&HELLO[..HELLO_LEN - 1]));
    }

    #[test]
    fn bytes_after_a_hello_are_left() {
        let mut scanner = HelloScanner::default();
        let input = [HELLO, b"PRI * HTTP/2.0"].concat();
        let (taken, nonce) = scanner.push(&input);
        assert!(nonce.is_some());
        assert_eq!(&input[taken..], b"PRI * HTTP/2.0");
    }

    #[test]
    fn a_scan_of_pseudo_random_noise_finds_exactly_the_hellos_in_it() {
        // An alphabet of hello's own bytes makes near misses common.
        let alphabet = b"KELPIE-HO 1ab0\n";
        let mut state = 0x9e37_79b9_u32;
        let mut next = move || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state
        };
        for _ in 0..200 {
            let mut input = Vec::new();
            let mut hellos = 0;
            for _ in 0..20 {
                let noise = next() as usize % 60;
                input.extend((0..noise).map(|_| alphabet[next() as usize % alphabet.len()]));
                if next() % 2 == 0 {
                    input.extend_from_slice(HELLO);
                    hellos += 1;
                }
            }
            let mut scanner = HelloScanner::default();
            let (mut rest, mut found) = (input.as_slice(), 0);
            while !rest.is_empty() {
                let limit = rest.len().min(1 + next() as usize % 16);
                let (taken, nonce) = scanner.push(&rest[..limit]);
                rest = &rest[taken..];
                found += u32::from(nonce.is_some());
            }
            assert_eq!(found, hellos);
        }
    }
}
