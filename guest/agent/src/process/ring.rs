//! A bounded window on a stream of bytes that is addressed by offsets since the stream's start.

use bytes::Bytes;
use std::collections::VecDeque;

/// Holds the last `capacity` bytes of a stream. Takes memory only for what it holds.
#[derive(Debug)]
pub struct Ring {
    bytes: VecDeque<u8>,
    start: u64,
    capacity: usize,
}

impl Ring {
    /// An empty window that will hold up to `capacity` bytes.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { bytes: VecDeque::new(), start: 0, capacity }
    }

    /// A window that holds nothing, of a stream that has had so many bytes.
    #[must_use]
    pub fn empty_at(end: u64) -> Self {
        Self { bytes: VecDeque::new(), start: end, capacity: 0 }
    }

    /// The offset of the oldest byte held.
    #[must_use]
    pub fn start(&self) -> u64 {
        self.start
    }

    /// The offset of the byte that comes next.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    /// How many bytes it holds at most.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// How many bytes it holds.
    #[must_use]
    pub fn held(&self) -> usize {
        self.bytes.len()
    }

    /// Appends, and lets go of the oldest bytes beyond the capacity.
    pub fn push(&mut self, bytes: &[u8]) {
        let end = self.end() + bytes.len() as u64;
        let kept = &bytes[bytes.len().saturating_sub(self.capacity)..];
        let excess = (self.bytes.len() + kept.len()).saturating_sub(self.capacity);
        self.bytes.drain(..excess.min(self.bytes.len()));
        self.bytes.extend(kept);
        self.start = end - self.bytes.len() as u64;
    }

    /// Up to `limit` of the bytes from `offset` on, which must be between `start` and `end`.
    #[must_use]
    pub fn read(&self, offset: u64, limit: usize) -> Bytes {
        let skipped = usize::try_from(offset.saturating_sub(self.start)).unwrap_or(usize::MAX);
        let (front, back) = self.bytes.as_slices();
        // A piece never crosses the seam: the caller comes again for the rest.
        let piece = match skipped.checked_sub(front.len()) {
            None => &front[skipped..],
            Some(skipped) => back.get(skipped..).unwrap_or_default(),
        };
        Bytes::copy_from_slice(&piece[..piece.len().min(limit)])
    }

    /// Gives back memory that is not needed for what is held.
    pub fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
    }

    /// Lets go of everything held, and holds nothing from now on.
    pub fn retire(&mut self) {
        self.start = self.end();
        self.bytes = VecDeque::new();
        self.capacity = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(ring: &Ring) -> Vec<u8> {
        let mut all = Vec::new();
        while ring.start() + (all.len() as u64) < ring.end() {
            all.extend_from_slice(&ring.read(ring.start() + all.len() as u64, 3));
        }
        all
    }

    #[test]
    fn it_holds_the_last_bytes_whatever_the_pieces_were() {
        let stream: Vec<u8> = (0..=255).cycle().take(2000).collect();
        for capacity in [1, 7, 64, 1000] {
            for piece in [1, 3, 64, 999, 2000] {
                let mut ring = Ring::new(capacity);
                for (count, bytes) in stream.chunks(piece).enumerate() {
                    ring.push(bytes);
                    let end = (count * piece + bytes.len()).min(stream.len());
                    assert_eq!(ring.end(), end as u64);
                    assert_eq!(contents(&ring), &stream[end.saturating_sub(capacity)..end]);
                }
            }
        }
    }

    #[test]
    fn what_a_retired_window_lets_go_of_still_counts() {
        let mut ring = Ring::new(10);
        ring.push(b"0123456789");
        ring.retire();
        assert_eq!((ring.start(), ring.end(), ring.held()), (10, 10, 0));
        ring.push(b"abc");
        assert_eq!((ring.start(), ring.end(), ring.held()), (13, 13, 0));
    }

    #[test]
    fn a_read_from_the_end_is_empty() {
        let mut ring = Ring::new(10);
        ring.push(b"abc");
        assert!(ring.read(3, 10).is_empty());
    }
}
