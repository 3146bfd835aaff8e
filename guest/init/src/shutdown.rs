//! The end: ask, insist, write everything to disk, let go of it, and stop the machine.

use crate::cmdline::CommandLine;
use crate::console::{Doing, Failure, complain, say};
use crate::log::Output;
use crate::mounts::mounted;
use crate::sys::{self, Reaped, Signals};
use std::fs::{File, read_to_string};
use std::time::{Duration, Instant};

/// How the machine is to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    PowerOff,
    Reboot,
    Halt,
}

/// Between asking every process to end and making it.
const GRACE: Duration = Duration::from_secs(3);
const AFTER_KILL: Duration = Duration::from_secs(1);

impl Ending {
    /// What a signal asks of PID 1 (docs/boot-contract.md, "Power").
    pub fn asked_by(signal: i32) -> Option<Self> {
        match signal {
            libc::SIGTERM | libc::SIGUSR2 | libc::SIGPWR => Some(Self::PowerOff),
            libc::SIGINT => Some(Self::Reboot),
            libc::SIGUSR1 => Some(Self::Halt),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::PowerOff => "poweroff",
            Self::Reboot => "reboot",
            Self::Halt => "halt",
        }
    }

    fn command(self, power_off_resets: bool) -> libc::c_int {
        match self {
            Self::PowerOff | Self::Halt if power_off_resets => libc::RB_AUTOBOOT,
            Self::PowerOff => libc::RB_POWER_OFF,
            Self::Reboot => libc::RB_AUTOBOOT,
            Self::Halt => libc::RB_HALT_SYSTEM,
        }
    }
}

/// Ends every process and then the machine.
pub fn shut_down(ending: Ending, mut signals: Signals, mut output: Output) -> ! {
    say(&format!("init {}", ending.name()));
    // A stopped process hears TERM only once it goes on.
    let _ = sys::kill(-1, libc::SIGTERM);
    let _ = sys::kill(-1, libc::SIGCONT);
    if !all_gone_within(GRACE, &mut signals, &mut output) {
        let _ = sys::kill(-1, libc::SIGKILL);
        all_gone_within(AFTER_KILL, &mut signals, &mut output);
    }
    // The log is a file on the root.
    drop(output);
    let_go_of_disks();
    stop(ending)
}

/// Stops the machine at once. Should the kernel refuse, the end of PID 1 makes it panic, which ends it too.
pub fn stop(ending: Ending) -> ! {
    let command_line = CommandLine::parse(&read_to_string("/proc/cmdline").unwrap_or_default());
    let command = ending.command(command_line.power_off_resets);
    complain(&Failure::new(ending.name(), sys::reboot(command)));
    std::process::exit(1)
}

/// Reaps until nothing is left, whatever loses its parent being a child of PID 1; passes on the last words.
fn all_gone_within(patience: Duration, signals: &mut Signals, output: &mut Output) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        while signals.next().is_some() {}
        output.pass_on(|_| {});
        match sys::reap() {
            Reaped::Child(..) => continue,
            Reaped::Childless => return true,
            Reaped::NoneYet => {}
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        sys::wait_readable(
            [Some(signals.descriptor()), Some(output.descriptor())],
            Some(left),
        );
    }
}

fn let_go_of_disks() {
    sys::sync();
    let kept = |target: &str| {
        ["/dev", "/proc", "/sys", "/run"]
            .iter()
            .any(|top| target == *top || target.starts_with(&format!("{top}/")))
    };
    for target in mounted()
        .iter()
        .filter(|target| *target != "/" && !kept(target))
    {
        if let Err(failure) = sys::unmount(target, 0).doing(|| format!("unmount {target}")) {
            complain(&failure);
        }
    }
    let remounted = sys::mount("", "/", "", libc::MS_REMOUNT | libc::MS_RDONLY, "");
    if let Err(failure) = remounted.doing(|| "remount / read-only".to_owned()) {
        complain(&failure);
    }
    // Only the device's own cache is left to flush.
    let _ = File::open("/").map(|root| root.sync_all());
    sys::sync();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_signal_of_the_contract_has_its_ending() {
        for (signal, ending) in [
            (libc::SIGTERM, Some(Ending::PowerOff)),
            (libc::SIGUSR2, Some(Ending::PowerOff)),
            (libc::SIGPWR, Some(Ending::PowerOff)),
            (libc::SIGINT, Some(Ending::Reboot)),
            (libc::SIGUSR1, Some(Ending::Halt)),
            (libc::SIGCHLD, None),
            (libc::SIGHUP, None),
        ] {
            assert_eq!(Ending::asked_by(signal), ending, "{signal}");
        }
    }

    #[test]
    fn every_ending_is_a_reset_where_only_a_reset_ends_the_machine() {
        for ending in [Ending::PowerOff, Ending::Reboot, Ending::Halt] {
            assert_eq!(ending.command(true), libc::RB_AUTOBOOT);
        }
        assert_eq!(Ending::PowerOff.command(false), libc::RB_POWER_OFF);
        assert_eq!(Ending::Halt.command(false), libc::RB_HALT_SYSTEM);
    }
}
