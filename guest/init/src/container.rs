//! In a container: an ordinary init, that runs one command, reaps, and passes signals on.

use crate::console::{Doing, Failure};
use crate::sys::{self, End, Reaped, Signals};
use std::ffi::OsString;
use std::fs;
use std::io::{IsTerminal, stdin};
use std::os::unix::process::CommandExt;
use std::process::Command;

const SHELL: &str = "/bin/sh";

/// Whether somebody else's kernel is underneath: the container's maker says so, or mounting is not for us.
pub fn is_container() -> bool {
    std::env::var_os("container").is_some()
        || ["/.dockerenv", "/run/.containerenv"]
            .iter()
            .any(|mark| fs::exists(mark).unwrap_or(false))
        || !sys::may_administer()
}

fn command(arguments: &[OsString]) -> Command {
    match arguments.split_first() {
        None => Command::new(SHELL),
        Some((program, rest)) => {
            let mut command = Command::new(program);
            command.args(rest);
            command
        }
    }
}

/// Becomes the command: for a process that is not PID 1, and so has nothing to reap.
pub fn become_command(arguments: &[OsString]) -> Failure {
    let mut command = command(arguments);
    let cause = command.exec();
    Failure::new(command.get_program().to_string_lossy(), cause)
}

/// Runs the command, or a shell, to its end; gives the exit code to end with.
pub fn run(arguments: &[OsString]) -> Result<i32, Failure> {
    let mut signals = Signals::block_all().doing(|| "signals".to_owned())?;
    let mut command = command(arguments);
    let program = command.get_program().to_string_lossy().into_owned();
    // In a group of its own, so that a signal is passed on to all that it started.
    let child = sys::with_open_signals(&mut command)
        .process_group(0)
        .spawn()
        .doing(|| program)?;
    let main = child.id().cast_signed();
    if stdin().is_terminal() && sys::set_foreground(main).is_ok() {
        // It may have been stopped for reading from the terminal before that was its own.
        let _ = sys::kill(-main, libc::SIGCONT);
    }
    loop {
        sys::wait_readable([Some(signals.descriptor())], None);
        while let Some(signal) = signals.next() {
            if !matches!(signal, libc::SIGCHLD | libc::SIGTTIN | libc::SIGTTOU) {
                let _ = sys::kill(-main, signal);
            }
        }
        while let Reaped::Child(pid, end) = sys::reap() {
            if pid == main {
                return Ok(exit_code(end));
            }
        }
    }
}

fn exit_code(end: End) -> i32 {
    match end {
        End::Exited(code) => code,
        End::Signalled(signal) => 128 + signal,
    }
}
