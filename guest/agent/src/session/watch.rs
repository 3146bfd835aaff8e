//! Notices, inside a session, that the host has started another one.
//!
//! A virtio-serial port has no connection ends, so the agent may learn that a session is over only from the hello of
//! the next. Where an HTTP/2 frame (or the preface) must begin, a `K` cannot stand: it would be a frame of 4.9 MB.
//! Inside a frame that the lost session left unfinished, a hello looks like payload; there it counts only as the last
//! bytes that came, with silence after it: a host that writes frames does not stop in the middle of one. Where the host
//! seemed to be gone in between, a hello is the next host's at once.

use super::hello::{HELLO_LEN, ends_with_hello, starts_with_hello};

/// The client's connection preface: RFC 9113, section 3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// A frame's header: RFC 9113, section 4.1.
const HEADER_LEN: usize = 9;

/// What the watcher thinks of the bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// They belong to the session.
    Session,
    /// They may be a hello, if nothing follows them.
    Suspect,
    /// The session is over; what is wanted again begins at this index.
    Over(usize),
}

/// Where the next byte stands.
#[derive(Debug)]
enum Position {
    Preface(usize),
    Header { got: usize, length: usize },
    Payload(usize),
}

/// Follows the frames of what the host sends.
#[derive(Debug)]
pub struct FrameWatch {
    position: Position,
    tail: Vec<u8>,
    /// Whether the host seemed to be gone before what comes next.
    interrupted: bool,
}

impl Default for FrameWatch {
    fn default() -> Self {
        Self { position: Position::Preface(0), tail: Vec::with_capacity(2 * HELLO_LEN), interrupted: false }
    }
}

impl FrameWatch {
    /// Notes that the host seemed to be gone: what comes next may be another's.
    pub fn interrupt(&mut self) {
        self.interrupted = true;
    }

    /// Takes what was just read. After `Over` the watch is not used again.
    pub fn push(&mut self, bytes: &[u8]) -> Verdict {
        if std::mem::take(&mut self.interrupted) && starts_with_hello(bytes) {
            return Verdict::Over(0);
        }
        let mut index = 0;
        while index < bytes.len() {
            match &mut self.position {
                Position::Preface(got) => {
                    if bytes[index] != PREFACE[*got] {
                        return Verdict::Over(index);
                    }
                    *got += 1;
                    index += 1;
                    if *got == PREFACE.len() {
                        self.position = Position::Header { got: 0, length: 0 };
                    }
                }
                Position::Header { got, length } => {
                    if *got == 0 && bytes[index] == b'K' {
                        return Verdict::Over(index);
                    }
                    if *got < 3 {
                        *length = *length << 8 | usize::from(bytes[index]);
                    }
                    *got += 1;
                    index += 1;
                    if *got == HEADER_LEN {
                        self.position = match *length {
                            0 => Position::Header { got: 0, length: 0 },
                            length => Position::Payload(length),
                        };
                    }
                }
                Position::Payload(left) => {
                    let taken = (*left).min(bytes.len() - index);
                    *left -= taken;
                    index += taken;
                    if *left == 0 {
                        self.position = Position::Header { got: 0, length: 0 };
                    }
                }
            }
        }
        self.keep_tail(bytes);
        match self.position {
            Position::Payload(_) if ends_with_hello(&self.tail) => Verdict::Suspect,
            Position::Header { got, .. } if got > 0 && ends_with_hello(&self.tail) => Verdict::Suspect,
            _ => Verdict::Session,
        }
    }

    /// The hello that made the last bytes suspect.
    #[must_use]
    pub fn suspected_hello(&self) -> &[u8] {
        &self.tail[self.tail.len().saturating_sub(HELLO_LEN)..]
    }

    fn keep_tail(&mut self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(HELLO_LEN)..];
        let excess = (self.tail.len() + bytes.len()).saturating_sub(HELLO_LEN);
        self.tail.drain(..excess.min(self.tail.len()));
        self.tail.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &[u8] = b"KELPIE-HELLO 1 0123456789abcdef0123456789abcdef\n";

    fn frame(payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[0, 0, 0, 0, 0, 1], payload].concat()
    }

    fn verdict(bytes: &[u8], chunk: usize) -> Verdict {
        let mut watch = FrameWatch::default();
        bytes.chunks(chunk).fold(Verdict::Session, |last, piece| match last {
            Verdict::Over(index) => Verdict::Over(index),
            _ => watch.push(piece),
        })
    }

    #[test]
    fn a_session_is_left_alone_however_it_is_cut() {
        let bytes = [PREFACE, &frame(b""), &frame(&[b'K'; 300]), &frame(&vec![0; 70_000])].concat();
        for chunk in [1, 2, 3, 9, 48, 1000, usize::MAX] {
            assert_eq!(verdict(&bytes, chunk), Verdict::Session, "in pieces of {chunk}");
        }
    }

    #[test]
    fn a_hello_instead_of_the_preface_or_a_frame_ends_the_session() {
        assert_eq!(verdict(HELLO, usize::MAX), Verdict::Over(0));
        let bytes = [PREFACE, &frame(b"abc"), HELLO].concat();
        assert_eq!(verdict(&bytes, usize::MAX), Verdict::Over(bytes.len() - HELLO.len()));
        assert_eq!(verdict(&bytes, 1), Verdict::Over(0));
    }

    #[test]
    fn a_hello_in_a_cut_frame_is_suspect_only_at_the_end_of_what_came() {
        let cut = [PREFACE, &frame(&[1; 500])[..100], HELLO].concat();
        for chunk in [1, 7, 48, 100, usize::MAX] {
            assert_eq!(verdict(&cut, chunk), Verdict::Suspect, "in pieces of {chunk}");
            let more = [cut.as_slice(), b"more"].concat();
            assert_eq!(verdict(&more, chunk), Verdict::Session, "in pieces of {chunk}");
        }
        let mut watch = FrameWatch::default();
        watch.push(&cut);
        assert_eq!(watch.suspected_hello(), HELLO);
    }

    #[test]
    fn a_hello_after_an_interruption_is_the_next_hosts_wherever_the_session_stood() {
        let cut = [PREFACE, &frame(&[1; 500])[..100]].concat();
        let mut watch = FrameWatch::default();
        watch.push(&cut);
        watch.interrupt();
        assert_eq!(watch.push(HELLO), Verdict::Over(0));
        let mut watch = FrameWatch::default();
        watch.push(&cut);
        watch.interrupt();
        assert_eq!(watch.push(&[1; 409]), Verdict::Session);
        assert_eq!(watch.push(&frame(HELLO)), Verdict::Session);
    }

    #[test]
    fn a_hello_that_ends_a_whole_frame_is_payload() {
        let whole = [PREFACE, &frame(HELLO)].concat();
        assert_eq!(verdict(&whole, usize::MAX), Verdict::Session);
    }
}
