//! The boot trace: what was reached when, on `CLOCK_MONOTONIC`, which starts with the kernel.
//!
//! `/run/kelpie/boot-trace` has one line a step, `SECONDS.MICROSECONDS NAME`; the agent serves it. The initrd's part is
//! carried over in the environment, since the file can first be written when `/run` is mounted.

use crate::sys;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::time::Duration;

pub const DIRECTORY: &str = "/run/kelpie";
const PATH: &str = "/run/kelpie/boot-trace";
/// The variable that hands the initrd's part to the next stage.
pub const VARIABLE: &str = "KELPIE_BOOT_TRACE";
/// No more than this is kept, however often an agent restarts.
const MAX_BYTES: usize = 16 * 1024;

/// The steps so far.
#[derive(Default)]
pub struct Trace {
    text: String,
    /// How much of `text` is in the file; nothing is before there is a file.
    written: Option<usize>,
}

impl Trace {
    /// A trace that goes on from what an earlier stage handed over.
    pub fn from_environment() -> Self {
        let text = std::env::var(VARIABLE).unwrap_or_default();
        Self {
            text,
            written: None,
        }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Records that `step` is reached now.
    pub fn reached(&mut self, step: &str) {
        let line = format_line(sys::monotonic(), step);
        if self.text.len() + line.len() <= MAX_BYTES {
            self.text.push_str(&line);
            self.save();
        }
    }

    /// From now on the trace is kept in its file too.
    pub fn open(&mut self) -> std::io::Result<()> {
        fs::create_dir_all(DIRECTORY)?;
        fs::write(PATH, &self.text)?;
        self.written = Some(self.text.len());
        Ok(())
    }

    /// A trace that cannot be written is no reason to stop a boot.
    fn save(&mut self) {
        let Some(written) = self.written else { return };
        if let Ok(mut file) = OpenOptions::new().append(true).open(PATH)
            && file.write_all(&self.text.as_bytes()[written..]).is_ok()
        {
            self.written = Some(self.text.len());
        }
    }
}

fn format_line(at: Duration, step: &str) -> String {
    format!("{}.{:06} {step}\n", at.as_secs(), at.subsec_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_seconds_microseconds_and_the_step() {
        let line = format_line(Duration::new(3, 4_005_999), "root");
        assert_eq!(line, "3.004005 root\n");
    }

    #[test]
    fn steps_are_kept_in_order_and_bounded() {
        let mut trace = Trace::default();
        for step in 0..10_000 {
            trace.reached(&format!("step {step}"));
        }
        assert!(trace.text().len() <= MAX_BYTES);
        assert!(trace.text().lines().nth(1).unwrap().ends_with(" step 1"));
    }
}
