//! A process as the agent knows it, running or ended: what its supervisor changes, its readers wait for and the API tells.

use super::cgroup::Cgroup;
use super::outputs::{Outputs, STDERR, STDOUT, STREAMS};
use super::stdin::Stdin;
use crate::activity::Busy;
use crate::api;
use crate::api::ExitCause;
use std::os::fd::OwnedFd;
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// A process, running or ended.
pub struct Process {
    pub id: String,
    pub pid: i32,
    pub argv: Vec<String>,
    pub started_unix_ns: u64,
    pub started_boot_ns: u64,
    pub terminal: Option<OwnedFd>,
    pub stdin: Stdin,
    pub limits: Timing,
    pub state: Mutex<State>,
    /// Something that a reader may wait for has changed.
    pub changed: Notify,
    /// There may be more room for a stream's output.
    pub room: [Notify; STREAMS],
    /// A reader has come or gone.
    pub attachment: Notify,
    /// Becomes true when the process has ended.
    pub ended: watch::Sender<bool>,
    /// Asks the supervisor to end the process.
    pub stop: watch::Sender<Option<ExitCause>>,
    /// Its part of the memory that is meant for output.
    pub(super) reserved: usize,
    /// Present while it runs: something done for the host.
    pub(super) busy: Mutex<Option<Busy>>,
}

/// When a process is ended by the agent.
#[derive(Clone, Copy)]
pub struct Timing {
    pub timeout: Option<Duration>,
    pub grace: Duration,
    pub orphan_timeout: Option<Duration>,
}

/// What changes in a process's life.
pub struct State {
    pub outputs: Outputs,
    /// Set once the leader is reaped; its number may be another's from then on.
    pub exit: Option<api::Exit>,
    pub cgroup: Option<Cgroup>,
    /// The signals that callers have sent, a bit each.
    pub signals_sent: u64,
}

impl Process {
    /// The process as the API tells of it.
    pub fn describe(&self, state: &State) -> api::Process {
        api::Process {
            id: self.id.clone(),
            pid: self.pid.unsigned_abs(),
            argv: self.argv.clone(),
            started_unix_ns: self.started_unix_ns,
            exit: state.exit,
            stdout_bytes: state.outputs.total(STDOUT),
            stderr_bytes: state.outputs.total(STDERR),
            stdin_bytes: self.stdin.accepted(),
            stdin_open: self.stdin.is_open(),
            terminal: self.terminal.is_some(),
            attached: u32::try_from(state.outputs.attached()).unwrap_or(u32::MAX),
        }
    }
}
