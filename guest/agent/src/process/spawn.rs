//! Makes a process from a plan: pipes or a terminal, the launch, and the truth about a failure.

use super::cgroup::Cgroup;
use super::outputs::STREAMS;
use super::plan::{Plan, failure};
use crate::api::{ProcessSpec, SpawnError, SpawnFailure, TerminalSize};
use crate::errors::errno_name;
use crate::sys::launch::{Launch, LaunchError, Launched, Step, launch};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;
use tokio::time::sleep;

/// A process that runs, and the agent's ends of what it reads and writes. All of them are non-blocking.
pub struct Spawned {
    pub launched: Launched,
    pub stdin: Option<OwnedFd>,
    pub outputs: [Option<OwnedFd>; STREAMS],
    pub terminal: Option<OwnedFd>,
}

/// The agent's ends, and the process's.
struct Ends {
    ours: Ours,
    theirs: [OwnedFd; 3],
}

struct Ours {
    stdin: Option<OwnedFd>,
    outputs: [Option<OwnedFd>; STREAMS],
    terminal: Option<OwnedFd>,
}

/// Starts the planned process; it runs its program when this returns.
///
/// # Errors
/// Which step failed, and why.
pub async fn spawn(plan: Plan, spec: &ProcessSpec, cgroup: Option<&Cgroup>) -> Result<Spawned, SpawnFailure> {
    let prepare = |error: io::Error| parent_failure("prepare the process", &error);
    let uid = plan.identity.as_ref().map(|identity| identity.uid);
    let ends = match &spec.terminal {
        Some(terminal) => terminal_ends(terminal.size.as_ref(), uid),
        None => pipe_ends(plan.stdin_pipe),
    };
    let Ends { ours, theirs: [stdin, stdout, stderr] } = ends.map_err(prepare)?;
    let order = Launch {
        programs: plan.programs,
        argv: plan.argv,
        env: plan.env,
        cwd: plan.cwd,
        stdin,
        stdout,
        stderr,
        terminal: spec.terminal.is_some(),
        identity: plan.identity,
        rlimits: plan.rlimits,
        umask: plan.umask,
        no_new_privileges: spec.no_new_privileges,
        cgroup: cgroup.map(Cgroup::directory).transpose().map_err(prepare)?,
    };
    let launched = patiently(&order).await.map_err(|error| match error {
        LaunchError::Parent(error) => parent_failure("make a process", &error),
        LaunchError::Child { step, errno } => child_failure(step, errno, &order),
    })?;
    let Ours { stdin, outputs, terminal } = ours;
    Ok(Spawned { launched, stdin, outputs, terminal })
}

/// Launches, and again where the program is being written: a descriptor that another child has caught at its start
/// keeps a file that was just written busy until that child's own exec.
async fn patiently(order: &Launch) -> Result<Launched, LaunchError> {
    for pause_ms in [1, 4, 16] {
        match launch(order)?.confirm().await {
            Err(LaunchError::Child { step: Step::Exec, errno })
                if Errno::from_raw_os_error(errno) == Errno::TXTBSY =>
            {
                sleep(Duration::from_millis(pause_ms)).await;
            }
            result => return result,
        }
    }
    launch(order)?.confirm().await
}

/// A pipe whose end for the agent does not block.
fn pipe(ours_reads: bool) -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    let (ours, theirs) = if ours_reads { (read, write) } else { (write, read) };
    // A fresh pipe has no other flag that this would take away.
    rustix::fs::fcntl_setfl(&ours, OFlags::NONBLOCK)?;
    Ok((ours, theirs))
}

fn pipe_ends(stdin_pipe: bool) -> io::Result<Ends> {
    let (stdin, their_stdin) = if stdin_pipe {
        let (ours, theirs) = pipe(false)?;
        (Some(ours), theirs)
    } else {
        (None, rustix::fs::open(c"/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
    };
    let (stdout, their_stdout) = pipe(true)?;
    let (stderr, their_stderr) = pipe(true)?;
    let ours = Ours { stdin, outputs: [Some(stdout), Some(stderr)], terminal: None };
    Ok(Ends { ours, theirs: [their_stdin, their_stdout, their_stderr] })
}

fn terminal_ends(size: Option<&TerminalSize>, uid: Option<rustix::fs::Uid>) -> io::Result<Ends> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = rustix::pty::openpt(flags)?;
    rustix::fs::fcntl_setfl(&master, rustix::fs::fcntl_getfl(&master)? | OFlags::NONBLOCK)?;
    rustix::pty::unlockpt(&master)?;
    let slave = rustix::pty::ioctl_tiocgptpeer(&master, flags)?;
    set_size(&master, size)?;
    if uid.is_some() {
        // The user must be able to open its terminal again by its name.
        rustix::fs::fchown(&slave, uid, None)?;
    }
    let ours =
        Ours { stdin: Some(dup(&master)?), outputs: [Some(dup(&master)?), None], terminal: Some(master) };
    Ok(Ends { ours, theirs: [dup(&slave)?, dup(&slave)?, slave] })
}

fn dup(fd: &OwnedFd) -> io::Result<OwnedFd> {
    Ok(rustix::io::fcntl_dupfd_cloexec(fd, 3)?)
}

/// Tells a terminal its size.
///
/// # Errors
/// The kernel's; EINVAL for a size that no terminal has.
pub fn set_size(terminal: impl AsFd, size: Option<&TerminalSize>) -> io::Result<()> {
    let length = |asked: u32, default: u16| match asked {
        0 => Ok(default),
        asked => u16::try_from(asked).map_err(|_| Errno::INVAL),
    };
    let size = size.copied().unwrap_or_default();
    let size = Winsize {
        ws_row: length(size.rows, 24)?,
        ws_col: length(size.columns, 80)?,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    Ok(rustix::termios::tcsetwinsize(terminal, size)?)
}

fn parent_failure(what: &str, error: &io::Error) -> SpawnFailure {
    let errno = error.raw_os_error().unwrap_or_default();
    let kind = match Errno::from_raw_os_error(errno) {
        Errno::AGAIN | Errno::NOMEM | Errno::MFILE | Errno::NFILE | Errno::NOSPC => SpawnError::Resources,
        _ => SpawnError::Unspecified,
    };
    SpawnFailure { errno: errno_name(errno), ..failure(kind, format!("Cannot {what}: {error}")) }
}

fn child_failure(step: Step, errno: i32, order: &Launch) -> SpawnFailure {
    let argv0 = order.argv.first().map(|program| program.to_string_lossy()).unwrap_or_default();
    let (error, what) = match (step, Errno::from_raw_os_error(errno)) {
        (Step::Exec, Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG) => {
            let present = order.programs.iter().any(|program| exists(program, &order.cwd));
            let error = if present { SpawnError::InterpreterMissing } else { SpawnError::NotFound };
            (error, format!("execute {argv0}"))
        }
        (Step::Exec, errno) => (exec_error(errno), format!("execute {argv0}")),
        (Step::Cwd, errno) => {
            let missing = errno == Errno::NOENT;
            let error = if missing { SpawnError::CwdMissing } else { SpawnError::CwdForbidden };
            (error, format!("enter {}", order.cwd.to_string_lossy()))
        }
        (Step::Identity, _) => (SpawnError::IdentityForbidden, "become the user".to_owned()),
        (Step::Limit, _) => (SpawnError::LimitRefused, "set a resource limit".to_owned()),
        (Step::Session | Step::Stdio | Step::Terminal | Step::Privileges, _) => {
            (SpawnError::Unspecified, format!("prepare the process ({step:?})"))
        }
    };
    let cause = io::Error::from_raw_os_error(errno);
    SpawnFailure { errno: errno_name(errno), ..failure(error, format!("Cannot {what}: {cause}")) }
}

fn exec_error(errno: Errno) -> SpawnError {
    match errno {
        Errno::ACCESS | Errno::PERM | Errno::ISDIR => SpawnError::NotExecutable,
        Errno::NOEXEC | Errno::LIBBAD => SpawnError::BadFormat,
        Errno::TOOBIG => SpawnError::ArgumentsTooLong,
        Errno::AGAIN | Errno::NOMEM | Errno::NFILE | Errno::MFILE => SpawnError::Resources,
        _ => SpawnError::Unspecified,
    }
}

/// Whether the program itself is there, so that what is missing is what it wants to be run by.
fn exists(program: &CString, cwd: &CString) -> bool {
    let path = |text: &CString| Path::new(std::ffi::OsStr::from_bytes(text.as_bytes())).to_owned();
    path(cwd).join(path(program)).exists()
}
