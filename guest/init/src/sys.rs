//! The calls to the kernel that std has no name for: the one place with `unsafe`.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

/// Turns the convention "-1 and errno" into a `Result`.
fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

fn c_string(text: &str) -> io::Result<CString> {
    CString::new(text).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}

/// Mounts `source` of type `kind` on `target`; `flags` are `MS_*`.
pub fn mount(
    source: &str,
    target: &str,
    kind: &str,
    flags: libc::c_ulong,
    data: &str,
) -> io::Result<()> {
    let (source, target) = (c_string(source)?, c_string(target)?);
    let (kind, data) = (c_string(kind)?, c_string(data)?);
    // SAFETY: four NUL-terminated strings that outlive the call; mount(2) only reads them.
    check(unsafe {
        libc::mount(
            source.as_ptr(),
            target.as_ptr(),
            kind.as_ptr(),
            flags,
            data.as_ptr().cast(),
        )
    })?;
    Ok(())
}

pub fn unmount(target: &str, flags: libc::c_int) -> io::Result<()> {
    let target = c_string(target)?;
    // SAFETY: a NUL-terminated string that outlives the call.
    check(unsafe { libc::umount2(target.as_ptr(), flags) })?;
    Ok(())
}

pub fn swap_on(device: &str) -> io::Result<()> {
    let device = c_string(device)?;
    // SAFETY: a NUL-terminated string that outlives the call.
    check(unsafe { libc::swapon(device.as_ptr(), 0) })?;
    Ok(())
}

/// Loads a module from an open file, with its parameters as one line.
pub fn load_module(file: &File, parameters: &str) -> io::Result<()> {
    let parameters = c_string(parameters)?;
    // SAFETY: an open descriptor, a NUL-terminated string that outlives the call, and flags as finit_module(2) takes them.
    let result = unsafe {
        libc::syscall(
            libc::SYS_finit_module,
            file.as_raw_fd(),
            parameters.as_ptr(),
            0 as libc::c_int,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

pub fn set_hostname(name: &str) -> io::Result<()> {
    // SAFETY: the pointer and length are those of one live string.
    check(unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) })?;
    Ok(())
}

/// The `f_type` of the file system that holds `path`.
pub fn file_system_type(path: &CStr) -> io::Result<i64> {
    // SAFETY: statfs is plain data for which all zero bytes are a value.
    let mut status: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: a NUL-terminated path, and a statfs that the kernel fills in.
    check(unsafe { libc::statfs(path.as_ptr(), &raw mut status) })?;
    #[allow(
        clippy::useless_conversion,
        reason = "the type differs between C libraries"
    )]
    Ok(status.f_type.into())
}

/// Whether this process may mount: it has `CAP_SYS_ADMIN` in force.
pub fn may_administer() -> bool {
    const VERSION_3: u32 = 0x2008_0522;
    const CAP_SYS_ADMIN: u32 = 21;
    let mut header = [VERSION_3, 0];
    let mut data = [[0u32; 3]; 2];
    // SAFETY: capget(2) version 3 takes a header of two words and fills in two sets of three words: the sizes of these arrays.
    let result = unsafe { libc::syscall(libc::SYS_capget, header.as_mut_ptr(), data.as_mut_ptr()) };
    result == 0 && data[0][0] & (1 << CAP_SYS_ADMIN) != 0
}

/// Has the kernel read a file into memory while we do something else.
pub fn read_ahead(file: &File) {
    // SAFETY: no memory is passed; the descriptor is open.
    unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_WILLNEED) };
}

/// Makes ctrl-alt-del a SIGINT to PID 1 instead of a reboot on the spot.
pub fn take_ctrl_alt_del() {
    // SAFETY: no memory is passed.
    unsafe { libc::reboot(libc::RB_DISABLE_CAD) };
}

/// Ends the machine; `command` is one of `RB_*`. Returns only if the kernel refuses.
pub fn reboot(command: libc::c_int) -> io::Error {
    // SAFETY: no memory is passed.
    unsafe {
        libc::sync();
        libc::reboot(command);
    }
    io::Error::last_os_error()
}

pub fn sync() {
    // SAFETY: no memory is passed.
    unsafe { libc::sync() };
}

/// Time since the kernel started, on the clock that nobody sets.
pub fn monotonic() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: a timespec that the kernel fills in; CLOCK_MONOTONIC always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Signals a process; -1 means every process but this one.
pub fn kill(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::kill(pid, signal) })?;
    Ok(())
}

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Exited(i32),
    Signalled(i32),
}

/// What there was to reap.
pub enum Reaped {
    Child(i32, End),
    /// Children live, and none has ended.
    NoneYet,
    /// There are no children at all.
    Childless,
}

/// Takes the end of any one child, without waiting.
pub fn reap() -> Reaped {
    loop {
        let mut status = 0;
        // SAFETY: an int that the kernel fills in.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
        if pid == 0 {
            return Reaped::NoneYet;
        }
        if pid < 0 {
            return Reaped::Childless;
        }
        if libc::WIFEXITED(status) {
            return Reaped::Child(pid, End::Exited(libc::WEXITSTATUS(status)));
        }
        if libc::WIFSIGNALED(status) {
            return Reaped::Child(pid, End::Signalled(libc::WTERMSIG(status)));
        }
    }
}

/// All signals, blocked and read from a descriptor: one arrives as data, never in the middle of something.
pub struct Signals(File);

impl Signals {
    pub fn block_all() -> io::Result<Self> {
        // SAFETY: sigset_t is plain data for which all zero bytes are a value; sigfillset then makes it a full set.
        let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
        // SAFETY: one live sigset_t; the old mask is not asked for.
        let descriptor = unsafe {
            libc::sigfillset(&raw mut set);
            check(libc::sigprocmask(
                libc::SIG_SETMASK,
                &raw const set,
                std::ptr::null_mut(),
            ))?;
            check(libc::signalfd(
                -1,
                &raw const set,
                libc::SFD_CLOEXEC | libc::SFD_NONBLOCK,
            ))?
        };
        // SAFETY: a descriptor that signalfd(2) has just made, owned by nobody else.
        Ok(Self(unsafe { File::from_raw_fd(descriptor) }))
    }

    /// The next pending signal, or nothing.
    pub fn next(&mut self) -> Option<i32> {
        let mut record = [0u8; size_of::<libc::signalfd_siginfo>()];
        let length = self.0.read(&mut record).ok()?;
        let number = record.get(..4).filter(|_| length >= 4)?.try_into().ok()?;
        i32::try_from(u32::from_ne_bytes(number)).ok()
    }

    pub fn descriptor(&self) -> BorrowedFd<'_> {
        std::os::fd::AsFd::as_fd(&self.0)
    }
}

/// Gives the program that `command` starts an empty signal mask: it would inherit that all are blocked.
pub fn with_open_signals(command: &mut Command) -> &mut Command {
    let open = || {
        // SAFETY: sigset_t is plain data for which all zero bytes are a value; sigemptyset then makes it an empty set.
        let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
        // SAFETY: one live sigset_t; the old mask is not asked for.
        check(unsafe {
            libc::sigemptyset(&raw mut set);
            libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut())
        })?;
        Ok(())
    };
    // SAFETY: between fork and exec the closure calls nothing but sigemptyset and sigprocmask, which are async-signal-safe,
    // and allocates nothing.
    unsafe { command.pre_exec(open) }
}

/// Waits until one of `descriptors` has something to read, or has ended, or `timeout` is over (`None` is for ever).
/// Answers for each of them whether it has.
pub fn wait_readable<const N: usize>(
    descriptors: [Option<BorrowedFd<'_>>; N],
    timeout: Option<Duration>,
) -> [bool; N] {
    // A negative descriptor is one that poll(2) passes over.
    let mut polled = descriptors.map(|descriptor| libc::pollfd {
        fd: descriptor.map_or(-1, |open| open.as_raw_fd()),
        events: libc::POLLIN,
        revents: 0,
    });
    let milliseconds = timeout.map_or(-1, |time| {
        i32::try_from(time.as_micros().div_ceil(1000)).unwrap_or(i32::MAX)
    });
    // SAFETY: an array of N live pollfds, and N.
    let result = unsafe { libc::poll(polled.as_mut_ptr(), N as libc::nfds_t, milliseconds) };
    polled.map(|entry| result > 0 && entry.revents != 0)
}

/// A socket on which the kernel says what devices come and go.
pub fn open_uevents() -> io::Result<File> {
    const KERNEL_GROUP: u32 = 1;
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: no memory is passed.
    let descriptor =
        check(unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_KOBJECT_UEVENT) })?;
    // SAFETY: a descriptor that socket(2) has just made, owned by nobody else.
    let socket = unsafe { File::from_raw_fd(descriptor) };
    // SAFETY: sockaddr_nl is plain data for which all zero bytes are a value.
    let mut address: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
    address.nl_family = libc::sa_family_t::try_from(libc::AF_NETLINK).unwrap_or_default();
    address.nl_groups = KERNEL_GROUP;
    let length = libc::socklen_t::try_from(size_of_val(&address)).unwrap_or_default();
    // SAFETY: a live sockaddr_nl and its own length.
    check(unsafe { libc::bind(descriptor, (&raw const address).cast(), length) })?;
    Ok(socket)
}

/// Sets an interface up, as `ip link set NAME up`.
pub fn interface_up(name: &str) -> io::Result<()> {
    // SAFETY: no memory is passed.
    let descriptor =
        check(unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: a descriptor that socket(2) has just made, owned by nobody else.
    let socket = unsafe { OwnedFd::from_raw_fd(descriptor) };
    // SAFETY: ifreq is plain data for which all zero bytes are a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.len() >= request.ifr_name.len() {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    for (slot, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *slot = byte.cast_signed() as libc::c_char;
    }
    let up = libc::c_short::try_from(libc::IFF_UP).unwrap_or_default();
    // SAFETY: SIOCGIFFLAGS fills in an ifreq whose name ends in NUL; it makes ifru_flags the union's valid member, which
    // SIOCSIFFLAGS then reads.
    unsafe {
        check(libc::ioctl(
            socket.as_raw_fd(),
            libc::SIOCGIFFLAGS as _,
            &raw mut request,
        ))?;
        request.ifr_ifru.ifru_flags |= up;
        check(libc::ioctl(
            socket.as_raw_fd(),
            libc::SIOCSIFFLAGS as _,
            &raw const request,
        ))?;
    }
    Ok(())
}

/// Grows the mounted ext4 file system that holds the open `directory` to `blocks` of its own blocks.
pub fn resize_ext4(directory: &File, blocks: u64) -> io::Result<()> {
    // _IOW('f', 16, __u64), the same on both architectures.
    const EXT4_IOC_RESIZE_FS: libc::Ioctl = 0x4008_6610;
    // SAFETY: an open descriptor and a u64, which is what EXT4_IOC_RESIZE_FS reads.
    check(unsafe { libc::ioctl(directory.as_raw_fd(), EXT4_IOC_RESIZE_FS, &raw const blocks) })?;
    Ok(())
}

/// Fills `buffer` from the kernel's generator if that is seeded; `false` if it is not yet.
pub fn random_now(buffer: &mut [u8]) -> bool {
    // SAFETY: the pointer and length are those of one live buffer.
    let length = unsafe {
        libc::getrandom(
            buffer.as_mut_ptr().cast(),
            buffer.len(),
            libc::GRND_NONBLOCK,
        )
    };
    usize::try_from(length).is_ok_and(|length| length == buffer.len())
}

/// A pipe whose reading end never blocks: (reading, writing).
pub fn pipe() -> io::Result<(File, OwnedFd)> {
    let mut ends = [0; 2];
    // SAFETY: an array of two ints that the kernel fills in.
    check(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) })?;
    // SAFETY: two descriptors that pipe2(2) has just made, owned by nobody else.
    let (reading, writing) = unsafe { (File::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) };
    // SAFETY: no memory is passed; the descriptor is open.
    check(unsafe { libc::fcntl(reading.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) })?;
    Ok((reading, writing))
}

/// Makes the process group `group` the one in the foreground of the terminal on standard input.
pub fn set_foreground(group: i32) -> io::Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::tcsetpgrp(libc::STDIN_FILENO, group) })?;
    Ok(())
}
