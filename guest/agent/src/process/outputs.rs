//! A process's two output streams: what is held of them, who reads them, and how much more may come in.

use super::ring::Ring;
use bytes::Bytes;
use std::collections::BTreeMap;

/// The streams, as indexes.
pub const STDOUT: usize = 0;
pub const STDERR: usize = 1;
/// How many there are.
pub const STREAMS: usize = 2;

/// One stream.
struct Channel {
    ring: Ring,
    /// Whether its pipe may still bring something.
    open: bool,
    /// Up to where an attached reader has taken it.
    delivered: u64,
    /// Where it ends for readers, once the process has.
    end: Option<u64>,
}

/// An attached reader.
struct Attached {
    positions: [u64; STREAMS],
    /// Who reads, where it says so: it reads once.
    name: Option<String>,
}

/// What a reader gets next of a stream.
#[derive(PartialEq, Eq, Debug)]
pub enum Piece {
    /// Nothing for now.
    Nothing,
    /// These bytes.
    Data(Bytes),
    /// That many bytes that are held no longer.
    Lost(u64),
    /// Nothing any more.
    End,
}

/// Both streams, and the positions of the attached readers.
pub struct Outputs {
    channels: [Channel; STREAMS],
    readers: BTreeMap<u64, Attached>,
    next_reader: u64,
    pause_unattached: bool,
    retired: bool,
}

impl Outputs {
    /// Streams without anything yet, of which those in `open` have a pipe.
    #[must_use]
    pub fn new(capacity: usize, open: [bool; STREAMS], pause_unattached: bool) -> Self {
        let channels = open.map(|open| Channel { ring: Ring::new(capacity), open, delivered: 0, end: None });
        Self { channels, readers: BTreeMap::new(), next_reader: 0, pause_unattached, retired: false }
    }

    /// Streams that have ended, of which nothing is held but how long they were.
    #[must_use]
    pub fn gone(lengths: [u64; STREAMS]) -> Self {
        let channels = lengths.map(|length| Channel {
            ring: Ring::empty_at(length),
            open: false,
            delivered: length,
            end: Some(length),
        });
        Self { channels, readers: BTreeMap::new(), next_reader: 0, pause_unattached: false, retired: true }
    }

    /// Where a stream ends for readers, or how far it has come.
    #[must_use]
    pub fn end(&self, stream: usize) -> u64 {
        self.channels[stream].end.unwrap_or(self.total(stream))
    }

    /// How many bytes of a stream may be read from its pipe now.
    ///
    /// Half of the ring stays behind the slowest reader, for one that lost its connection and comes again.
    #[must_use]
    pub fn room(&self, stream: usize) -> usize {
        let channel = &self.channels[stream];
        let slowest = self.readers.values().map(|reader| reader.positions[stream]).min();
        let floor = match slowest {
            _ if self.retired => return usize::MAX,
            Some(slowest) => slowest,
            None if self.pause_unattached => channel.delivered,
            None => return usize::MAX,
        };
        let limit = floor + channel.ring.capacity() as u64 / 2;
        usize::try_from(limit.saturating_sub(channel.ring.end())).unwrap_or(usize::MAX)
    }

    /// Takes what came from a pipe.
    pub fn push(&mut self, stream: usize, bytes: &[u8]) {
        self.channels[stream].ring.push(bytes);
    }

    /// Notes the end of a pipe.
    pub fn close(&mut self, stream: usize) {
        self.channels[stream].open = false;
    }

    /// Whether the pipe may still bring something.
    #[must_use]
    pub fn is_open(&self, stream: usize) -> bool {
        self.channels[stream].open
    }

    /// How many bytes a stream has had.
    #[must_use]
    pub fn total(&self, stream: usize) -> u64 {
        self.channels[stream].ring.end()
    }

    /// How many readers are attached.
    #[must_use]
    pub fn attached(&self) -> usize {
        self.readers.len()
    }

    /// Registers a reader that holds the process back.
    pub fn attach(&mut self, positions: [u64; STREAMS]) -> u64 {
        let key = self.next_reader;
        self.next_reader += 1;
        self.readers.insert(key, Attached { positions, name: None });
        key
    }

    /// Says who a reader is. Whoever was attached by that name is so no longer: its connection may be dead, which nobody
    /// knows yet, and would hold the process back until then.
    pub fn name(&mut self, key: u64, name: &str) {
        self.readers.retain(|&other, reader| other == key || reader.name.as_deref() != Some(name));
        if let Some(reader) = self.readers.get_mut(&key) {
            reader.name = Some(name.to_owned());
        }
    }

    /// Whether a reader is still attached.
    #[must_use]
    pub fn is_attached(&self, key: u64) -> bool {
        self.readers.contains_key(&key)
    }

    /// Forgets a reader.
    pub fn detach(&mut self, key: u64) {
        self.readers.remove(&key);
    }

    /// Notes how far a reader has come.
    pub fn advance(&mut self, key: u64, stream: usize, position: u64) {
        if let Some(reader) = self.readers.get_mut(&key) {
            reader.positions[stream] = position;
            let channel = &mut self.channels[stream];
            channel.delivered = channel.delivered.max(position);
        }
    }

    /// What comes at `position`, up to `limit` bytes.
    #[must_use]
    pub fn read(&self, stream: usize, position: u64, limit: usize) -> Piece {
        let channel = &self.channels[stream];
        let end = channel.end.unwrap_or(channel.ring.end());
        if position >= end {
            return if channel.end.is_some() { Piece::End } else { Piece::Nothing };
        }
        if position < channel.ring.start() {
            return Piece::Lost(channel.ring.start().min(end) - position);
        }
        let left = usize::try_from(end - position).unwrap_or(usize::MAX);
        Piece::Data(channel.ring.read(position, limit.min(left)))
    }

    /// Sets the end of both streams for readers: what comes later is held, but is none of the process's own.
    pub fn finish(&mut self) {
        for channel in &mut self.channels {
            channel.end = Some(channel.ring.end());
            channel.ring.shrink();
        }
    }

    /// How many bytes are held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.channels.iter().map(|channel| channel.ring.held()).sum()
    }

    /// Lets go of everything held, and holds nothing from now on.
    pub fn retire(&mut self) {
        self.retired = true;
        self.channels.iter_mut().for_each(|channel| channel.ring.retire());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outputs(pause: bool) -> Outputs {
        Outputs::new(100, [true, true], pause)
    }

    #[test]
    fn an_attached_reader_holds_the_process_back_and_half_stays_for_another_try() {
        let mut outputs = outputs(false);
        let key = outputs.attach([0, 0]);
        assert_eq!(outputs.room(STDOUT), 50);
        outputs.push(STDOUT, &[1; 50]);
        assert_eq!((outputs.room(STDOUT), outputs.room(STDERR)), (0, 50));
        outputs.advance(key, STDOUT, 30);
        outputs.push(STDOUT, &[2; 30]);
        assert_eq!(outputs.room(STDOUT), 0);
        assert_eq!(outputs.read(STDOUT, 0, 10), Piece::Data(Bytes::from_static(&[1; 10])));
    }

    #[test]
    fn the_slowest_of_several_readers_counts() {
        let mut outputs = outputs(false);
        let (fast, slow) = (outputs.attach([0, 0]), outputs.attach([0, 0]));
        outputs.push(STDOUT, &[1; 50]);
        outputs.advance(fast, STDOUT, 50);
        assert_eq!(outputs.room(STDOUT), 0);
        outputs.detach(slow);
        assert_eq!(outputs.room(STDOUT), 50);
    }

    #[test]
    fn a_reader_that_comes_again_takes_its_own_place() {
        let mut outputs = outputs(true);
        let (lost, other) = (outputs.attach([0, 0]), outputs.attach([0, 0]));
        outputs.name(lost, "me");
        outputs.name(other, "another");
        outputs.push(STDOUT, &[1; 50]);
        outputs.advance(other, STDOUT, 50);
        assert_eq!(outputs.room(STDOUT), 0);
        let again = outputs.attach([20, 0]);
        outputs.name(again, "me");
        assert_eq!([lost, other, again].map(|key| outputs.is_attached(key)), [false, true, true]);
        assert_eq!(outputs.room(STDOUT), 20);
        outputs.advance(lost, STDOUT, 10);
        outputs.detach(lost);
        assert_eq!(outputs.room(STDOUT), 20);
    }

    #[test]
    fn without_a_reader_the_policy_says_what_gives_way() {
        let mut dropping = outputs(false);
        assert_eq!(dropping.room(STDOUT), usize::MAX);
        dropping.push(STDOUT, &[1; 250]);
        assert_eq!(dropping.read(STDOUT, 0, 10), Piece::Lost(150));
        let mut pausing = outputs(true);
        assert_eq!(pausing.room(STDOUT), 50);
        pausing.push(STDOUT, &[1; 50]);
        assert_eq!(pausing.room(STDOUT), 0);
        pausing.retire();
        assert_eq!(pausing.room(STDOUT), usize::MAX);
    }

    #[test]
    fn of_a_stream_that_is_gone_its_length_is_left() {
        let mut outputs = Outputs::gone([7, 0]);
        assert_eq!(outputs.read(STDOUT, 3, 10), Piece::Lost(4));
        assert_eq!((outputs.read(STDOUT, 7, 10), outputs.read(STDERR, 0, 10)), (Piece::End, Piece::End));
        assert_eq!((outputs.end(STDOUT), outputs.held(), outputs.is_open(STDOUT)), (7, 0, false));
        assert_eq!(outputs.attach([7, 0]), 0);
    }

    #[test]
    fn a_finished_stream_ends_where_the_process_did() {
        let mut outputs = outputs(false);
        outputs.push(STDOUT, b"own");
        assert_eq!(outputs.read(STDOUT, 3, 10), Piece::Nothing);
        outputs.finish();
        outputs.push(STDOUT, b"descendant's");
        assert_eq!(outputs.read(STDOUT, 0, 10), Piece::Data(Bytes::from_static(b"own")));
        assert_eq!(outputs.read(STDOUT, 3, 10), Piece::End);
        outputs.retire();
        assert_eq!(outputs.read(STDOUT, 1, 10), Piece::Lost(2));
        assert_eq!(outputs.total(STDOUT), 15);
    }
}
