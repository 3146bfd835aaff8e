//! The system calls that no safe library offers. The only module with `unsafe` in it.

#![allow(unsafe_code)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "the kernel's types of the same values differ from call to call"
)]

pub mod launch;

use rustix::io::Errno;
use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The result of a libc call that returns -1 on failure.
fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Has the runtime watch a descriptor.
///
/// # Errors
/// When it cannot be watched.
pub fn watched(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd names the same open descriptor until it is dropped, which AsyncFd does after it has
    // stopped watching.
    unsafe { AsyncFd::register_with_interest(fd, interest) }.map_err(io::Error::from)
}

/// A non-blocking vsock stream socket bound to `port` for every context id.
///
/// # Errors
/// The kernel's.
pub fn vsock_socket(port: u32) -> io::Result<OwnedFd> {
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: socket takes no pointers, and the descriptor it returns is nobody else's.
    let socket = unsafe { OwnedFd::from_raw_fd(check(libc::socket(libc::AF_VSOCK, kind, 0))?) };
    // SAFETY: sockaddr_vm is plain integers, for which zero is a value.
    let mut address: libc::sockaddr_vm = unsafe { zeroed() };
    address.svm_family = libc::AF_VSOCK as libc::sa_family_t;
    address.svm_cid = libc::VMADDR_CID_ANY;
    address.svm_port = port;
    // SAFETY: the pointer is to a live sockaddr_vm, and the length is its own.
    check(unsafe {
        libc::bind(
            socket.as_raw_fd(),
            (&raw const address).cast(),
            size_of::<libc::sockaddr_vm>() as libc::socklen_t,
        )
    })?;
    Ok(socket)
}

/// Sends a signal to a process, or to a group if `pid` is negative; any of the 64 signals.
///
/// # Errors
/// The kernel's: ESRCH when there is none, EINVAL when there is no such signal.
pub fn kill(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: kill takes no pointers.
    check(unsafe { libc::kill(pid, signal) }).map(drop)
}

/// What a waited-for process and its waited-for descendants used.
#[derive(Clone, Copy, Default, Debug)]
pub struct Rusage {
    /// CPU time in user space.
    pub user_ns: u64,
    /// CPU time in the kernel.
    pub system_ns: u64,
    /// The largest resident set of one process.
    pub max_resident_bytes: u64,
    /// Block input.
    pub read_bytes: u64,
    /// Block output.
    pub written_bytes: u64,
}

/// How a process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// It returned this.
    Code(u8),
    /// It was killed by this signal.
    Signal { number: u8, core_dumped: bool },
}

/// Reaps the ended child `pid`, which must not have been reaped.
///
/// # Errors
/// The kernel's: ECHILD when there is no such child.
pub fn reap(pid: i32) -> io::Result<(Ending, Rusage)> {
    let mut status = 0;
    // SAFETY: rusage is plain integers, for which zero is a value.
    let mut usage: libc::rusage = unsafe { zeroed() };
    // SAFETY: both pointers are to live values of the types wait4 fills.
    check(unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) })?;
    let ending = if libc::WIFSIGNALED(status) {
        Ending::Signal { number: libc::WTERMSIG(status) as u8, core_dumped: libc::WCOREDUMP(status) }
    } else {
        Ending::Code(libc::WEXITSTATUS(status) as u8)
    };
    let rusage = Rusage {
        user_ns: nanoseconds(usage.ru_utime),
        system_ns: nanoseconds(usage.ru_stime),
        max_resident_bytes: unsigned(usage.ru_maxrss) * 1024,
        read_bytes: unsigned(usage.ru_inblock) * 512,
        written_bytes: unsigned(usage.ru_oublock) * 512,
    };
    Ok((ending, rusage))
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

fn nanoseconds(time: libc::timeval) -> u64 {
    unsigned(time.tv_sec) * 1_000_000_000 + unsigned(time.tv_usec) * 1_000
}

/// The argument of RNDADDENTROPY: random(4).
#[repr(C)]
struct RandPoolInfo {
    entropy_bits: libc::c_int,
    size: libc::c_int,
    bytes: [u8; MAX_ENTROPY],
}

/// The most bytes `add_entropy` takes.
pub const MAX_ENTROPY: usize = 512;

/// Credits `bytes` to the kernel's pool, and makes its generator start afresh from it.
///
/// # Errors
/// The kernel's: EPERM without `CAP_SYS_ADMIN`. EINVAL for more than `MAX_ENTROPY` bytes.
pub fn add_entropy(bytes: &[u8]) -> io::Result<()> {
    const RNDADDENTROPY: libc::c_ulong = 0x4008_5203;
    const RNDRESEEDCRNG: libc::c_ulong = 0x5207;
    let mut pool = RandPoolInfo { entropy_bits: 0, size: 0, bytes: [0; MAX_ENTROPY] };
    pool.bytes.get_mut(..bytes.len()).ok_or(Errno::INVAL)?.copy_from_slice(bytes);
    pool.size = bytes.len() as libc::c_int;
    pool.entropy_bits = pool.size * 8;
    let random = std::fs::File::options().write(true).open("/dev/urandom")?;
    // SAFETY: the pointer is to a live rand_pool_info with `size` bytes behind its header, as the request wants.
    check(unsafe { libc::ioctl(random.as_raw_fd(), RNDADDENTROPY as _, &raw const pool) })?;
    // SAFETY: the request takes no argument.
    check(unsafe { libc::ioctl(random.as_raw_fd(), RNDRESEEDCRNG as _) })?;
    Ok(())
}

/// Freezes or thaws the file system that `mount_point` is in.
///
/// # Errors
/// The kernel's: EBUSY when it is frozen already, EINVAL when it is not, EOPNOTSUPP when it cannot be.
pub fn set_frozen(mount_point: impl AsFd, frozen: bool) -> io::Result<()> {
    const FIFREEZE: libc::c_ulong = 0xc004_5877;
    const FITHAW: libc::c_ulong = 0xc004_5878;
    let request = if frozen { FIFREEZE } else { FITHAW };
    // SAFETY: the kernel ignores the argument of both requests.
    check(unsafe { libc::ioctl(mount_point.as_fd().as_raw_fd(), request as _, 0) })?;
    Ok(())
}
