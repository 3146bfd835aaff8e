//! As `/sbin/init` of a VM: makes the system ready, then keeps the agent running and reaps until asked to stop.

use crate::children::{AGENT, Agent, Services};
use crate::cmdline::CommandLine;
use crate::console::{Doing, Failure, complain, report, say};
use crate::late_modules::LateModules;
use crate::log::Output;
use crate::mounts::{ESSENTIAL, mount, mount_customary};
use crate::shutdown::{Ending, shut_down};
use crate::sys::{self, Reaped, Signals};
use crate::trace::Trace;
use crate::{fstab, machine};
use std::convert::Infallible;
use std::fs::{self, File};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::time::Instant;

/// What the agent prints once it serves.
const READY: &[u8] = b"kelpie: agent ready";

/// Runs the VM to its end; returns only with what made that impossible.
pub fn run(trace: &mut Trace) -> Result<Infallible, Failure> {
    let signals = Signals::block_all().doing(|| "signals".to_owned())?;
    sys::take_ctrl_alt_del();
    say("init mounts");
    for what in ESSENTIAL {
        mount(what)?;
    }
    report(trace.open().doing(|| "boot trace".to_owned()));
    if let Ok(agent) = File::open(AGENT) {
        sys::read_ahead(&agent);
    }
    mount_customary();
    link_descriptors();
    let command_line = CommandLine::parse(&fs::read_to_string("/proc/cmdline").unwrap_or_default());
    prepare_machine(&command_line);
    trace.reached("mounts");

    let (reading, writing) = sys::pipe().doing(|| "pipe".to_owned())?;
    say("init agent");
    let agent = Agent::start(&writing)?;
    trace.reached("agent");
    let mut services = Services::find();
    services.go_on(&writing);
    let supervisor = Supervisor {
        signals,
        output: Output::new(reading),
        writing,
        agent,
        services,
        randomness: identify(),
        late_modules: LateModules::new(command_line),
    };
    supervisor.run(trace)
}

fn prepare_machine(command_line: &CommandLine) {
    report(machine::set_hostname(command_line.hostname.as_deref()));
    report(machine::loopback_up());
    match machine::grow_root() {
        Ok(None) => {}
        Ok(Some(size)) => say(&format!("init grew the root file system to {size} bytes")),
        Err(failure) => complain(&failure),
    }
    fstab::mount_all();
}

/// The names by which shells know their descriptors.
fn link_descriptors() {
    for (name, target) in [
        ("/dev/fd", "/proc/self/fd"),
        ("/dev/stdin", "/proc/self/fd/0"),
        ("/dev/stdout", "/proc/self/fd/1"),
        ("/dev/stderr", "/proc/self/fd/2"),
    ] {
        // Something stands there already where devtmpfs was not fresh.
        let _ = symlink(target, name);
    }
}

/// Makes a machine id where there is none. If the kernel has no randomness yet, its source, to hear of it.
fn identify() -> Option<File> {
    if !machine::lacks_machine_id() {
        return None;
    }
    match machine::make_machine_id() {
        Ok(true) => None,
        Ok(false) => File::open("/dev/random").ok(),
        Err(failure) => {
            complain(&failure);
            None
        }
    }
}

struct Supervisor {
    signals: Signals,
    output: Output,
    /// The writing end that every child gets a copy of.
    writing: OwnedFd,
    agent: Agent,
    services: Services,
    /// Present while the machine id waits for it.
    randomness: Option<File>,
    late_modules: LateModules,
}

impl Supervisor {
    fn run(mut self, trace: &mut Trace) -> ! {
        loop {
            let due = [
                self.agent.due(),
                self.services.due(),
                self.late_modules.due(),
            ];
            let due = due.into_iter().flatten().min();
            let [signalled, printed, random, plugged] = sys::wait_readable(
                [
                    Some(self.signals.descriptor()),
                    Some(self.output.descriptor()),
                    self.randomness.as_ref().map(AsFd::as_fd),
                    self.late_modules.descriptor(),
                ],
                due.map(|due| due.saturating_duration_since(Instant::now())),
            );
            let mut is_late = plugged;
            if printed {
                self.output.pass_on(|line| {
                    if line == READY {
                        trace.reached("agent ready");
                        is_late = true;
                    }
                });
            }
            if random {
                self.randomness = None;
                self.randomness = identify();
            }
            if signalled && let Some(ending) = self.take_signals(trace) {
                shut_down(ending, self.signals, self.output);
            }
            self.late_modules.load_if_due(is_late);
            self.agent.restart_if_due(&self.writing);
            self.services.go_on(&self.writing);
        }
    }

    /// Reaps, and says what ending was asked for, if one was.
    fn take_signals(&mut self, trace: &mut Trace) -> Option<Ending> {
        let mut ending = None;
        while let Some(signal) = self.signals.next() {
            // The first to ask decides.
            ending = ending.or(Ending::asked_by(signal));
        }
        while let Reaped::Child(pid, end) = sys::reap() {
            if self.agent.is(pid) && ending.is_none() {
                trace.reached("agent ended");
                self.agent.ended(end);
            }
            self.services.ended(pid, end);
        }
        ending
    }
}
