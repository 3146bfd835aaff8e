//! The processes that PID 1 starts itself: the agent, kept alive, and the services, one after the other.

use crate::console::{Failure, say};
use crate::sys::{self, End};
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub const AGENT: &str = "/usr/local/bin/kelpie-guest";
const SERVICES: &str = "/etc/kelpie/init.d";
const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// An agent that lived as long as this is well: after its end the pauses start from the first again.
const HEALTHY_AFTER: Duration = Duration::from_secs(30);
/// A service that takes longer is left to itself, and the next one starts.
const SERVICE_PATIENCE: Duration = Duration::from_secs(60);

/// How long to wait before the next start, from the pause before and how long the agent then lived.
fn next_pause(before: Option<Duration>, lived: Duration) -> Duration {
    match before {
        Some(pause) if lived < HEALTHY_AFTER => (pause * 2).min(LONGEST_PAUSE),
        _ => FIRST_PAUSE,
    }
}

/// A command with an environment of its own, not with what the kernel gave PID 1.
fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", SEARCH_PATH)
        .env("HOME", "/root");
    command
}

fn start(mut command: Command, output: &OwnedFd) -> std::io::Result<i32> {
    let child = sys::with_open_signals(&mut command)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output.try_clone()?)
        .current_dir("/")
        .process_group(0)
        .spawn()?;
    Ok(child.id().cast_signed())
}

enum AgentState {
    Running {
        pid: i32,
        since: Instant,
    },
    /// Ended, and to be started again at this time.
    Pausing {
        until: Instant,
    },
}

/// The guest agent.
pub struct Agent {
    state: AgentState,
    pause: Option<Duration>,
    restarts: u32,
}

impl Agent {
    pub fn start(output: &OwnedFd) -> Result<Self, Failure> {
        let pid = Self::spawn(output, 0)
            .map_err(|cause| Failure::new(format!("agent {AGENT}"), cause))?;
        Ok(Self {
            state: AgentState::Running {
                pid,
                since: Instant::now(),
            },
            pause: None,
            restarts: 0,
        })
    }

    /// The agent is told how often it has been started again, and reports it.
    fn spawn(output: &OwnedFd, restarts: u32) -> std::io::Result<i32> {
        let mut command = command(AGENT);
        command.env("KELPIE_AGENT_RESTARTS", restarts.to_string());
        start(command, output)
    }

    pub fn is(&self, ended: i32) -> bool {
        matches!(self.state, AgentState::Running { pid, .. } if pid == ended)
    }

    /// To be called when it has ended.
    pub fn ended(&mut self, end: End) {
        let lived = match self.state {
            AgentState::Running { since, .. } => since.elapsed(),
            AgentState::Pausing { .. } => Duration::ZERO,
        };
        let pause = next_pause(self.pause, lived);
        say(&format!(
            "error agent: {}, next start in {} ms",
            describe(end),
            pause.as_millis()
        ));
        self.pause = Some(pause);
        self.state = AgentState::Pausing {
            until: Instant::now() + pause,
        };
    }

    /// When to call [`Agent::restart_if_due`] at the latest.
    pub fn due(&self) -> Option<Instant> {
        match self.state {
            AgentState::Running { .. } => None,
            AgentState::Pausing { until } => Some(until),
        }
    }

    pub fn restart_if_due(&mut self, output: &OwnedFd) {
        if self.due().is_none_or(|due| due > Instant::now()) {
            return;
        }
        self.restarts += 1;
        match Self::spawn(output, self.restarts) {
            Ok(pid) => {
                self.state = AgentState::Running {
                    pid,
                    since: Instant::now(),
                }
            }
            Err(cause) => {
                say(&format!("error agent {AGENT}: {cause}"));
                self.ended(End::Exited(127));
            }
        }
    }
}

struct Current {
    pid: i32,
    name: String,
    patience: Instant,
}

/// The executables in `/etc/kelpie/init.d`, in the order of their names; each is run as `FILE start` once the one before
/// has ended.
#[derive(Default)]
pub struct Services {
    waiting: VecDeque<PathBuf>,
    current: Option<Current>,
}

impl Services {
    pub fn find() -> Self {
        let entries = fs::read_dir(SERVICES).into_iter().flatten().flatten();
        let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        found.retain(|path| {
            fs::metadata(path)
                .is_ok_and(|status| status.is_file() && status.permissions().mode() & 0o111 != 0)
        });
        found.sort();
        Self {
            waiting: found.into(),
            current: None,
        }
    }

    /// Starts the next one, unless one is still at work.
    pub fn go_on(&mut self, output: &OwnedFd) {
        if let Some(Current { name, patience, .. }) = &self.current {
            if *patience > Instant::now() {
                return;
            }
            say(&format!(
                "error service {name}: has not ended after {} s, going on",
                SERVICE_PATIENCE.as_secs()
            ));
            self.current = None;
        }
        while let Some(path) = self.waiting.pop_front() {
            let name = path.display().to_string();
            let mut command = command(&path);
            command.arg("start");
            match start(command, output) {
                Ok(pid) => {
                    let patience = Instant::now() + SERVICE_PATIENCE;
                    self.current = Some(Current {
                        pid,
                        name,
                        patience,
                    });
                    return;
                }
                Err(cause) => say(&format!("error service {name}: {cause}")),
            }
        }
    }

    /// To be called with every process that has ended.
    pub fn ended(&mut self, pid: i32, end: End) {
        let Some(current) = self.current.take_if(|current| current.pid == pid) else {
            return;
        };
        if end != End::Exited(0) {
            say(&format!(
                "error service {}: {}",
                current.name,
                describe(end)
            ));
        }
    }

    pub fn due(&self) -> Option<Instant> {
        self.current.as_ref().map(|current| current.patience)
    }
}

fn describe(end: End) -> String {
    match end {
        End::Exited(code) => format!("exited with code {code}"),
        End::Signalled(signal) => format!("ended by signal {signal}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_start_again_after_a_healthy_life() {
        let mut pause = None;
        let pauses: Vec<u128> = (0..9)
            .map(|_| {
                let next = next_pause(pause, Duration::from_secs(1));
                pause = Some(next);
                next.as_millis()
            })
            .collect();
        assert_eq!(
            pauses,
            [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]
        );
        assert_eq!(next_pause(pause, HEALTHY_AFTER), FIRST_PAUSE);
    }
}
