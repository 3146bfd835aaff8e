//! The output of the agent and of services: to the console, and to a log of bounded size.

use crate::console::{Failure, complain};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

pub const PATH: &str = "/var/log/kelpie-guest.log";
/// A log that has grown to this becomes `….1`, in place of the one before: twice this is the most that is kept.
const MAX_BYTES: u64 = 1 << 20;
const MAX_LINE_BYTES: usize = 256;

/// The reading end of everybody's output.
pub struct Output {
    pipe: File,
    log: Log,
    /// The beginning of a line that has not ended yet.
    line: Vec<u8>,
}

impl Output {
    pub fn new(pipe: File) -> Self {
        Self {
            pipe,
            log: Log::open(PathBuf::from(PATH), MAX_BYTES),
            line: Vec::new(),
        }
    }

    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }

    /// Passes on what has been written by now, and hands each whole line (its beginning, if it is long) to `seen`.
    pub fn pass_on(&mut self, mut seen: impl FnMut(&[u8])) {
        // Rounds are bounded, so that a program that never stops printing does not keep PID 1 from its other work.
        let mut buffer = [0; 16 * 1024];
        for _ in 0..4 {
            let Ok(length @ 1..) = self.pipe.read(&mut buffer) else {
                return;
            };
            let bytes = &buffer[..length];
            let _ = io::stdout().write_all(bytes);
            self.log.append(bytes);
            split_lines(&mut self.line, bytes, &mut seen);
        }
    }
}

fn split_lines(line: &mut Vec<u8>, bytes: &[u8], seen: &mut impl FnMut(&[u8])) {
    for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
        let ended = piece.ends_with(b"\n");
        let text = piece.strip_suffix(b"\n").unwrap_or(piece);
        let room = MAX_LINE_BYTES.saturating_sub(line.len()).min(text.len());
        line.extend_from_slice(&text[..room]);
        if ended {
            seen(line);
            line.clear();
        }
    }
}

/// A file that never grows beyond a bound. Where it cannot be kept the boot goes on without.
struct Log {
    path: PathBuf,
    max_bytes: u64,
    file: Option<File>,
    size: u64,
}

impl Log {
    fn open(path: PathBuf, max_bytes: u64) -> Self {
        let mut log = Self {
            path,
            max_bytes,
            file: None,
            size: 0,
        };
        log.start();
        log
    }

    fn start(&mut self) {
        if let Some(directory) = self.path.parent() {
            let _ = fs::create_dir_all(directory);
        }
        match OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.path)
        {
            Ok(file) => {
                self.size = file.metadata().map_or(0, |status| status.len());
                self.file = Some(file);
            }
            Err(cause) => complain(&Failure::new(self.path.display().to_string(), cause)),
        }
    }

    fn append(&mut self, bytes: &[u8]) {
        if self.size + bytes.len() as u64 > self.max_bytes && self.file.take().is_some() {
            let mut old = self.path.clone().into_os_string();
            old.push(".1");
            let _ = fs::rename(&self.path, old);
            self.start();
        }
        // A full disk loses log lines, not the guest.
        if let Some(file) = &mut self.file
            && file.write_all(bytes).is_ok()
        {
            self.size += bytes.len() as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together_from_pieces_and_long_ones_cut() {
        let (mut line, mut lines) = (Vec::new(), Vec::new());
        let long = "x".repeat(MAX_LINE_BYTES * 2);
        for piece in ["kelpie: age", "nt ready\n\nnext", &long, "\nrest"] {
            split_lines(&mut line, piece.as_bytes(), &mut |found| {
                lines.push(found.to_vec());
            });
        }
        assert_eq!(lines[0], b"kelpie: agent ready");
        assert_eq!(lines[1], b"");
        assert_eq!(lines[2].len(), MAX_LINE_BYTES);
        assert_eq!((lines.len(), line.as_slice()), (3, b"rest".as_slice()));
    }

    #[test]
    fn a_log_keeps_the_newest_output_within_its_bound() {
        let directory =
            std::env::temp_dir().join(format!("kelpie-init-log-{}", std::process::id()));
        let path = directory.join("guest.log");
        let mut log = Log::open(path.clone(), 100);
        for number in 0..100 {
            log.append(format!("line {number:03}\n").as_bytes());
        }
        let newest = fs::read_to_string(&path).unwrap();
        let older = fs::read_to_string(path.with_extension("log.1")).unwrap();
        fs::remove_dir_all(&directory).unwrap();
        assert!(newest.len() <= 100 && older.len() <= 100);
        assert!((older + &newest).ends_with("line 098\nline 099\n"));
    }
}
