//! What a person watching the console is told (docs/boot-contract.md, "Console markers").

use std::fmt;
use std::io::{self, Write};

/// Something that could not be done: what, and what the kernel said.
#[derive(Debug)]
pub struct Failure {
    what: String,
    cause: io::Error,
}

impl Failure {
    pub fn new(what: impl Into<String>, cause: io::Error) -> Self {
        Self {
            what: what.into(),
            cause,
        }
    }

    /// A failure that no call of the kernel stands behind.
    pub fn because(what: impl Into<String>, cause: &str) -> Self {
        Self::new(what, io::Error::other(cause.to_owned()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}: {}", self.what, self.cause)
    }
}

/// Names what was being done when a call failed.
pub trait Doing<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Failure>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|cause| Failure::new(what(), cause))
    }
}

/// One line on the console. A console that is gone must not end PID 1.
pub fn say(line: &str) {
    let _ = io::stdout().write_all(format!("kelpie: {line}\n").as_bytes());
}

/// Ends a line that firmware has begun, so that ours start at the start of one.
pub fn fresh_line() {
    let _ = io::stdout().write_all(b"\n");
}

/// A failure that the boot goes on after.
pub fn complain(failure: &Failure) {
    say(&format!("error {failure}"));
}

/// Complains of a failure, if there is one.
pub fn report(result: Result<(), Failure>) {
    if let Err(failure) = result {
        complain(&failure);
    }
}
