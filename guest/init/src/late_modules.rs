//! Modules that the boot did not need: loaded once the agent serves, or when a device is plugged in that needs one.

use crate::cmdline::CommandLine;
use crate::modules::Modules;
use crate::uevents::Uevents;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// An agent that does not serve by then no longer holds up what waits for it.
const PATIENCE: Duration = Duration::from_secs(1);

pub struct LateModules {
    modules: Modules,
    command_line: CommandLine,
    state: State,
}

enum State {
    /// No look has been taken yet.
    Waiting { uevents: Uevents, until: Instant },
    /// All is loaded but what needs a device that is not here.
    Listening(Uevents),
    /// No module is left.
    Over,
}

impl LateModules {
    pub fn new(command_line: CommandLine) -> Self {
        let modules = Modules::left_over();
        let uevents = (!modules.is_empty()).then(Uevents::open);
        let state = match uevents {
            Some(Ok(uevents)) => State::Waiting {
                uevents,
                until: Instant::now() + PATIENCE,
            },
            Some(Err(_)) | None => State::Over,
        };
        Self {
            modules,
            command_line,
            state,
        }
    }

    /// When to call [`LateModules::load_if_due`] at the latest.
    pub fn due(&self) -> Option<Instant> {
        match self.state {
            State::Waiting { until, .. } => Some(until),
            State::Listening(_) | State::Over => None,
        }
    }

    /// What has something to read when a device has been plugged in. Before the first look nothing is news.
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match &self.state {
            State::Listening(uevents) => Some(uevents.descriptor()),
            State::Waiting { .. } | State::Over => None,
        }
    }

    /// Loads what can be loaded, if it is `now` or the time has come.
    pub fn load_if_due(&mut self, now: bool) {
        if !now && self.due().is_none_or(|due| due > Instant::now()) {
            return;
        }
        self.state = match std::mem::replace(&mut self.state, State::Over) {
            State::Waiting { mut uevents, .. } | State::Listening(mut uevents) => {
                uevents.drain();
                self.modules.load(&self.command_line);
                if self.modules.is_empty() {
                    State::Over
                } else {
                    State::Listening(uevents)
                }
            }
            State::Over => State::Over,
        };
    }
}
