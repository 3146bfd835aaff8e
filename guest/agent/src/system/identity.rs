//! What makes a guest this guest and no other: its clock, its randomness, its names.

use crate::clock;
use crate::errors::{invalid, status};
use crate::sys;
use rustix::time::{ClockId, Timespec, clock_settime};
use std::fs;
use std::io;
use tonic::Status;

/// The least randomness that a reseed takes.
const MIN_ENTROPY: usize = 32;

/// Adds randomness to the kernel's pool, and makes its generator start afresh from it.
///
/// # Errors
/// `INVALID_ARGUMENT` for too little or too much; the kernel's.
pub fn reseed(entropy: &[u8]) -> Result<(), Status> {
    let allowed = MIN_ENTROPY..=sys::MAX_ENTROPY;
    if !allowed.contains(&entropy.len()) {
        return Err(invalid(format!("entropy must have {allowed:?} bytes: {}", entropy.len())));
    }
    sys::add_entropy(entropy).map_err(|error| status("add randomness", &error))
}

/// Sets the wall clock; how far it was moved, in nanoseconds.
///
/// # Errors
/// `INVALID_ARGUMENT` for a time that the clock cannot have; the kernel's.
pub fn set_time(unix_ns: u64) -> Result<i64, Status> {
    let out_of_range = || invalid(format!("unix_ns is out of range: {unix_ns}"));
    let time = Timespec {
        tv_sec: i64::try_from(unix_ns / 1_000_000_000).map_err(|_| out_of_range())?,
        tv_nsec: i64::try_from(unix_ns % 1_000_000_000).map_err(|_| out_of_range())?,
    };
    let before = clock::unix_ns();
    clock_settime(ClockId::Realtime, time).map_err(|error| status("set the clock", &error.into()))?;
    Ok(i64::try_from(i128::from(unix_ns) - i128::from(before)).unwrap_or(i64::MAX))
}

/// Sets the host name, in the kernel and in /etc/hostname.
///
/// # Errors
/// `INVALID_ARGUMENT` for what is no host name; the kernel's.
pub fn set_hostname(hostname: &str) -> Result<(), Status> {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let edges = !hostname.starts_with('-') && !hostname.ends_with('-');
    if hostname.is_empty() || hostname.len() > 63 || !hostname.bytes().all(letter) || !edges {
        return Err(invalid(format!("A host name is 1 to 63 of a-z 0-9 -: {hostname:?}")));
    }
    let result = rustix::system::sethostname(hostname.as_bytes()).map_err(io::Error::from);
    let result = result.and_then(|()| overwrite("/etc/hostname", &format!("{hostname}\n"), 0o644));
    result.map_err(|error| status("set the host name", &error))
}

/// Sets /etc/machine-id.
///
/// # Errors
/// `INVALID_ARGUMENT` for what is no machine id; the kernel's.
pub fn set_machine_id(id: &str) -> Result<(), Status> {
    let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if id.len() != 32 || !id.bytes().all(digit) {
        return Err(invalid(format!("A machine id is 32 lower-case hexadecimal digits: {id:?}")));
    }
    overwrite("/etc/machine-id", &format!("{id}\n"), 0o444)
        .map_err(|error| status("set the machine id", &error))
}

/// Writes a small file over what it has: a file system does that in a tenth of the work of a new file, which a restored
/// guest under emulation is seen to do.
fn overwrite(path: &str, content: &str, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::{FileExt, OpenOptionsExt};
    let mut options = fs::OpenOptions::new();
    let opened = options.write(true).create(true).mode(mode).custom_flags(libc::O_NOFOLLOW).open(path);
    let file = match opened {
        // A symbolic link to elsewhere is not followed.
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => return replace(path, content, mode),
        result => result?,
    };
    let length = file.metadata()?.len();
    file.write_all_at(content.as_bytes(), 0)?;
    if length > content.len() as u64 { file.set_len(content.len() as u64) } else { Ok(()) }
}

/// Replaces a small file in one step.
///
/// # Errors
/// The kernel's.
pub fn replace(path: &str, content: &str, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let temporary = format!("{path}.kelpie");
    fs::write(&temporary, content)?;
    fs::set_permissions(&temporary, fs::Permissions::from_mode(mode))?;
    fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Only what is refused before anything is touched: the tests run on a machine that has names of its own.
    #[test]
    fn what_is_no_name_is_refused() {
        for hostname in ["", "-a", "a-", "A", "a.b", "a b", &"a".repeat(64)] {
            assert_eq!(
                set_hostname(hostname).unwrap_err().code(),
                tonic::Code::InvalidArgument,
                "{hostname}"
            );
        }
        for id in ["", "0123456789abcdef0123456789abcde", "0123456789ABCDEF0123456789ABCDEF"] {
            assert_eq!(set_machine_id(id).unwrap_err().code(), tonic::Code::InvalidArgument, "{id}");
        }
        for length in [0, 31, 513] {
            assert_eq!(
                reseed(&vec![0; length]).unwrap_err().code(),
                tonic::Code::InvalidArgument,
                "{length}"
            );
        }
    }
}
