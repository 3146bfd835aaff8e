//! Starts a process: clone3, and in the child everything up to execve, with the step that failed told to the parent.
//!
//! clone3 gives the pidfd and the cgroup in the same step, so that no child can outrun either. The child is a copy of a
//! process that has other threads, whose locks it may have caught: between clone3 and execve it must not allocate, and
//! calls nothing but raw system calls on what the parent has prepared.

use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Resource, Rlimit};
use rustix::thread::{Gid, Uid};
use std::ffi::CString;
use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Who the child becomes.
pub struct Become {
    pub uid: Uid,
    pub gid: Gid,
    pub groups: Vec<Gid>,
}

/// What to start: everything the child needs, ready to use.
pub struct Launch {
    /// Paths to try in turn, as execvp does.
    pub programs: Vec<CString>,
    pub argv: Vec<CString>,
    pub env: Vec<CString>,
    pub cwd: CString,
    /// Each above 2, close-on-exec.
    pub stdin: OwnedFd,
    pub stdout: OwnedFd,
    pub stderr: OwnedFd,
    /// Whether `stdin` is a terminal that becomes the session's.
    pub terminal: bool,
    pub identity: Option<Become>,
    pub rlimits: Vec<(Resource, Rlimit)>,
    pub umask: u32,
    pub no_new_privileges: bool,
    /// A cgroup's directory to start in.
    pub cgroup: Option<OwnedFd>,
}

/// A started process.
pub struct Launched {
    pub pid: i32,
    pub pidfd: OwnedFd,
}

/// What the child was about when it failed. The numbers go over the pipe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Step {
    Session = 1,
    Stdio = 2,
    Terminal = 3,
    Limit = 4,
    Identity = 5,
    Cwd = 6,
    Privileges = 7,
    Exec = 8,
}

const STEPS: [Step; 8] = [
    Step::Session,
    Step::Stdio,
    Step::Terminal,
    Step::Limit,
    Step::Identity,
    Step::Cwd,
    Step::Privileges,
    Step::Exec,
];

/// Why nothing was started.
#[derive(Debug)]
pub enum LaunchError {
    /// The parent could not make a child.
    Parent(io::Error),
    /// The child failed, and is gone.
    Child { step: Step, errno: i32 },
}

impl From<io::Error> for LaunchError {
    fn from(error: io::Error) -> Self {
        Self::Parent(error)
    }
}

/// A null-terminated array of pointers, as execve wants it.
fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
}

/// A process on its way to its program.
pub struct Launching {
    launched: Launched,
    report: AsyncFd<OwnedFd>,
}

impl Launching {
    /// Waits until the child has executed its program or failed. That may take as long as the file systems do that the
    /// program and the working directory are on.
    ///
    /// # Errors
    /// `Child` when it failed on its way.
    pub async fn confirm(self) -> Result<Launched, LaunchError> {
        let mut report = [0; REPORT_LEN];
        // The few bytes of a report are written, and so read, in one piece.
        let read = |fd: &OwnedFd| Ok(rustix::io::read(fd, &mut report)?);
        let count = self.report.async_io(Interest::READABLE, read).await?;
        if count < REPORT_LEN {
            // The pipe closed with the exec.
            return Ok(self.launched);
        }
        let _ = super::reap(self.launched.pid);
        let known = STEPS.into_iter().find(|step| *step as u8 == report[0]);
        let errno = i32::from_ne_bytes([report[1], report[2], report[3], report[4]]);
        Err(LaunchError::Child { step: known.unwrap_or(Step::Exec), errno })
    }
}

/// Starts a process.
///
/// # Errors
/// `Parent` when no child could be made.
pub fn launch(launch: &Launch) -> Result<Launching, LaunchError> {
    let argv = pointers(&launch.argv);
    let env = pointers(&launch.env);
    let flags = PipeFlags::CLOEXEC | PipeFlags::NONBLOCK;
    let (report_read, report_write) = pipe_with(flags).map_err(io::Error::from)?;
    let report = super::watched(report_read, Interest::READABLE)?;

    let mut pidfd: libc::c_int = -1;
    // SAFETY: clone_args is plain integers, for which zero is a value.
    let mut order: libc::clone_args = unsafe { zeroed() };
    order.flags = (libc::CLONE_PIDFD as u64) | CLONE_CLEAR_SIGHAND;
    order.pidfd = (&raw mut pidfd) as u64;
    order.exit_signal = libc::SIGCHLD as u64;
    if let Some(cgroup) = &launch.cgroup {
        order.flags |= CLONE_INTO_CGROUP;
        order.cgroup = cgroup.as_raw_fd() as u64;
    }

    let mask = SignalsBlocked::new()?;
    // SAFETY: `order` is a live clone_args with its own size. Without CLONE_VM the child has a copy of everything, this
    // stack among it, so it can go on here; it leaves by execve or _exit only.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const order, size_of::<libc::clone_args>()) };
    if pid == 0 {
        // SAFETY: this is the child, the arrays are null-terminated and their strings alive in `launch`.
        unsafe { child(launch, &argv, &env, report_write.as_fd()) }
    }
    let clone_error = io::Error::last_os_error();
    drop(mask);
    if pid < 0 {
        return Err(LaunchError::Parent(clone_error));
    }
    let pid = pid as i32;
    // SAFETY: the kernel has put a descriptor there that is nobody else's.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };

    Ok(Launching { launched: Launched { pid, pidfd }, report })
}

const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
/// A step and an errno.
const REPORT_LEN: usize = 5;

/// Keeps every signal from this thread, and so from the child until it has no handler left.
struct SignalsBlocked(libc::sigset_t);

impl SignalsBlocked {
    fn new() -> io::Result<Self> {
        // SAFETY: sigset_t is plain integers, for which zero is a value.
        let (mut all, mut before): (libc::sigset_t, libc::sigset_t) = unsafe { (zeroed(), zeroed()) };
        // SAFETY: both pointers are to live sigset_t values.
        let result = unsafe {
            libc::sigfillset(&raw mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before)
        };
        if result == 0 { Ok(Self(before)) } else { Err(io::Error::from_raw_os_error(result)) }
    }
}

impl Drop for SignalsBlocked {
    fn drop(&mut self) {
        // SAFETY: the pointer is to the mask that was in force before.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, ptr::null_mut()) };
    }
}

/// The child's whole life before execve.
///
/// # Safety
/// Only in a fresh child; `argv` and `env` end with a null and point to live strings.
unsafe fn child(
    launch: &Launch,
    argv: &[*const libc::c_char],
    env: &[*const libc::c_char],
    report: BorrowedFd<'_>,
) -> ! {
    let (step, errno) = match prepare(launch) {
        Err((step, errno)) => (step, errno),
        // SAFETY: as this function's own.
        Ok(()) => (Step::Exec, unsafe { execute(launch, argv, env) }),
    };
    let code = errno.raw_os_error().to_ne_bytes();
    let _ = rustix::io::write(report, &[step as u8, code[0], code[1], code[2], code[3]]);
    // SAFETY: ends the child without running anything that the parent has registered.
    unsafe { libc::_exit(127) }
}

/// Everything but the exec. No allocation: see the top.
fn prepare(launch: &Launch) -> Result<(), (Step, Errno)> {
    let at = |step| move |errno| (step, errno);
    rustix::process::setsid().map_err(at(Step::Session))?;
    rustix::stdio::dup2_stdin(&launch.stdin).map_err(at(Step::Stdio))?;
    rustix::stdio::dup2_stdout(&launch.stdout).map_err(at(Step::Stdio))?;
    rustix::stdio::dup2_stderr(&launch.stderr).map_err(at(Step::Stdio))?;
    if launch.terminal {
        rustix::process::ioctl_tiocsctty(rustix::stdio::stdin()).map_err(at(Step::Terminal))?;
    }
    unshield();
    for (resource, limit) in &launch.rlimits {
        rustix::process::setrlimit(*resource, *limit).map_err(at(Step::Limit))?;
    }
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(launch.umask));
    if let Some(identity) = &launch.identity {
        // The thread's calls, not the process's: the child has one thread, but the C library still knows the parent's.
        rustix::thread::set_thread_groups(&identity.groups).map_err(at(Step::Identity))?;
        rustix::thread::set_thread_res_gid(identity.gid, identity.gid, identity.gid)
            .map_err(at(Step::Identity))?;
        rustix::thread::set_thread_res_uid(identity.uid, identity.uid, identity.uid)
            .map_err(at(Step::Identity))?;
    }
    // After the change of identity: the directory must be one that the user may enter.
    rustix::process::chdir(launch.cwd.as_c_str()).map_err(at(Step::Cwd))?;
    if launch.no_new_privileges {
        rustix::thread::set_no_new_privs(true).map_err(at(Step::Privileges))?;
    }
    Ok(())
}

/// Takes back the agent's own protection from the kernel's memory killer. Not for the process: it has none to lose.
fn unshield() {
    let flags = rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::CLOEXEC;
    if let Ok(score) = rustix::fs::open(c"/proc/self/oom_score_adj", flags, rustix::fs::Mode::empty()) {
        let _ = rustix::io::write(&score, b"0");
    }
}

/// Tries each program, as execvp does; returns only if all failed, with the errno that says most.
///
/// # Safety
/// As `child`.
unsafe fn execute(launch: &Launch, argv: &[*const libc::c_char], env: &[*const libc::c_char]) -> Errno {
    // SAFETY: close_range takes no pointers; the pipe to the parent is close-on-exec already. A kernel without the call
    // leaves what the agent was started with open, which nothing depends on. Rust ignores SIGPIPE and an ignored
    // signal survives the exec, so it is set back; no handler is left that an unblocked signal could run.
    unsafe {
        libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC);
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        let mut none: libc::sigset_t = zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
    }
    let mut result = Errno::NOENT;
    for program in &launch.programs {
        // SAFETY: the strings are alive and the arrays end with a null.
        unsafe { libc::execve(program.as_ptr(), argv.as_ptr(), env.as_ptr()) };
        match Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::NOENT) {
            Errno::NOENT | Errno::NOTDIR => {}
            // Another directory of the PATH may have one that may be executed.
            Errno::ACCESS => result = Errno::ACCESS,
            errno => return errno,
        }
    }
    result
}
