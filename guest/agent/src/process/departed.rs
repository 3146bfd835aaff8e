//! How processes ended that are remembered no longer as a whole: by their ids, in little memory.
//!
//! A caller whose connection was lost may come back after many other processes have ended. It still has to hear the end of
//! its own, and must not start it once more.

use super::lock;
use super::outputs::{Outputs, STDERR, STDOUT, STREAMS};
use super::record::{Process, State, Timing};
use super::stdin::Stdin;
use crate::api::exit::Status;
use crate::api::{Exit, ExitCause};
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// How many are known. At seventy bytes each they take a little over a megabyte.
const MAX_DEPARTED: usize = 16 * 1024;

/// What is left of a process.
struct Epitaph {
    pid: i32,
    started_unix_ns: u64,
    duration_ns: u64,
    written: [u64; STREAMS],
    accepted: u64,
    status: Option<Status>,
    cause: ExitCause,
    core_dumped: bool,
    output_held: bool,
}

/// The ends of processes, the oldest of which give way.
#[derive(Default)]
pub struct Departed {
    /// Ids as keyed hashes: 64 bits, so that two of them are not the same by chance.
    hasher: RandomState,
    epitaphs: HashMap<u64, Epitaph>,
    order: VecDeque<u64>,
}

impl Departed {
    /// Takes the end of an ended process.
    pub fn add(&mut self, process: &Process) {
        let key = self.hasher.hash_one(&process.id);
        if self.epitaphs.insert(key, Epitaph::of(process)).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > MAX_DEPARTED
            && let Some(oldest) = self.order.pop_front()
        {
            self.epitaphs.remove(&oldest);
        }
    }

    /// The process of this id, as what is known of it.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<Arc<Process>> {
        let epitaph = self.epitaphs.get(&self.hasher.hash_one(id))?;
        Some(Arc::new(epitaph.process(id)))
    }
}

impl Epitaph {
    fn of(process: &Process) -> Self {
        let state = lock(&process.state);
        let exit = state.exit.unwrap_or_default();
        Self {
            pid: process.pid,
            started_unix_ns: process.started_unix_ns,
            duration_ns: exit.duration_ns,
            written: [STDOUT, STDERR].map(|stream| state.outputs.end(stream)),
            accepted: process.stdin.accepted(),
            status: exit.status,
            cause: exit.cause(),
            core_dumped: exit.core_dumped,
            output_held: exit.output_held,
        }
    }

    fn process(&self, id: &str) -> Process {
        let exit = Exit {
            status: self.status,
            cause: self.cause.into(),
            core_dumped: self.core_dumped,
            duration_ns: self.duration_ns,
            usage: None,
            output_held: self.output_held,
        };
        Process {
            id: id.to_owned(),
            pid: self.pid,
            argv: Vec::new(),
            started_unix_ns: self.started_unix_ns,
            started_boot_ns: 0,
            terminal: None,
            stdin: Stdin::gone(self.accepted),
            limits: Timing { timeout: None, grace: Duration::ZERO, orphan_timeout: None },
            state: Mutex::new(State {
                outputs: Outputs::gone(self.written),
                exit: Some(exit),
                cgroup: None,
                signals_sent: 0,
            }),
            changed: Notify::new(),
            room: [const { Notify::const_new() }; STREAMS],
            attachment: Notify::new(),
            ended: watch::Sender::new(true),
            stop: watch::Sender::new(None),
            reserved: 0,
            busy: Mutex::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(id: &str, code: u32) -> Arc<Process> {
        let epitaph = Epitaph {
            pid: 7,
            started_unix_ns: 1,
            duration_ns: 2,
            written: [3, 4],
            accepted: 5,
            status: Some(Status::Code(code)),
            cause: ExitCause::Own,
            core_dumped: false,
            output_held: false,
        };
        Arc::new(epitaph.process(id))
    }

    #[test]
    fn an_end_is_known_until_so_many_others_have_come() {
        let mut departed = Departed::default();
        departed.add(&ended("first", 9));
        for serial in 1..MAX_DEPARTED {
            departed.add(&ended(&serial.to_string(), 0));
        }
        let first = departed.find("first").unwrap();
        let described = first.describe(&lock(&first.state));
        assert_eq!(described.exit.unwrap().status, Some(Status::Code(9)));
        assert_eq!((described.stdout_bytes, described.stderr_bytes, described.stdin_bytes), (3, 4, 5));
        departed.add(&ended("last", 0));
        assert!(departed.find("first").is_none() && departed.find("1").is_some());
        assert_eq!((departed.epitaphs.len(), departed.order.len()), (MAX_DEPARTED, MAX_DEPARTED));
    }

    #[test]
    fn an_end_that_comes_twice_is_one() {
        let mut departed = Departed::default();
        departed.add(&ended("same", 1));
        departed.add(&ended("same", 2));
        assert_eq!((departed.epitaphs.len(), departed.order.len()), (1, 1));
    }
}
