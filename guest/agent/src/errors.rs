//! The kernel's errors as the API tells them: a gRPC code, and the errno's name in a trailer.

use rustix::io::Errno;
use std::io;
use tonic::{Code, Status};

/// The trailer with the errno's name.
const TRAILER: &str = "kelpie-errno";
/// The trailer with the agent's own instance id, where another was meant.
const INSTANCE_TRAILER: &str = "kelpie-instance";

/// Makes the names, and keeps each beside its value.
macro_rules! errno_names {
    ($($name:ident = $value:ident),* $(,)?) => {
        /// The errno's name, such as `ENOENT`; `E` and its number for one that has no name here.
        #[must_use]
        pub fn errno_name(errno: i32) -> String {
            match Errno::from_raw_os_error(errno) {
                $(Errno::$value => stringify!($name).to_owned(),)*
                _ => format!("E{errno}"),
            }
        }
    };
}

errno_names! {
    EPERM = PERM, ENOENT = NOENT, ESRCH = SRCH, EINTR = INTR, EIO = IO, ENXIO = NXIO, E2BIG = TOOBIG, ENOEXEC = NOEXEC,
    EBADF = BADF, ECHILD = CHILD, EAGAIN = AGAIN, ENOMEM = NOMEM, EACCES = ACCESS, EFAULT = FAULT, EBUSY = BUSY,
    EEXIST = EXIST, EXDEV = XDEV, ENODEV = NODEV, ENOTDIR = NOTDIR, EISDIR = ISDIR, EINVAL = INVAL, ENFILE = NFILE,
    EMFILE = MFILE, ENOTTY = NOTTY, ETXTBSY = TXTBSY, EFBIG = FBIG, ENOSPC = NOSPC, ESPIPE = SPIPE, EROFS = ROFS,
    EMLINK = MLINK, EPIPE = PIPE, ERANGE = RANGE, ENAMETOOLONG = NAMETOOLONG, ENOSYS = NOSYS, ENOTEMPTY = NOTEMPTY,
    ELOOP = LOOP, ENODATA = NODATA, EOVERFLOW = OVERFLOW, EOPNOTSUPP = OPNOTSUPP, ESTALE = STALE, EDQUOT = DQUOT,
    ELIBBAD = LIBBAD, EADDRINUSE = ADDRINUSE, EADDRNOTAVAIL = ADDRNOTAVAIL, ENETDOWN = NETDOWN,
    ENETUNREACH = NETUNREACH, ETIMEDOUT = TIMEDOUT,
}

fn code(errno: Errno) -> Code {
    match errno {
        Errno::NOENT | Errno::NODEV | Errno::NXIO | Errno::SRCH => Code::NotFound,
        Errno::EXIST => Code::AlreadyExists,
        Errno::ACCESS | Errno::PERM | Errno::ROFS | Errno::XDEV => Code::PermissionDenied,
        Errno::NOSPC
        | Errno::DQUOT
        | Errno::NOMEM
        | Errno::MFILE
        | Errno::NFILE
        | Errno::FBIG
        | Errno::MLINK => Code::ResourceExhausted,
        Errno::NOTDIR
        | Errno::ISDIR
        | Errno::NOTEMPTY
        | Errno::BUSY
        | Errno::TXTBSY
        | Errno::LOOP
        | Errno::SPIPE => Code::FailedPrecondition,
        Errno::INVAL | Errno::NAMETOOLONG | Errno::TOOBIG | Errno::RANGE => Code::InvalidArgument,
        Errno::NOSYS | Errno::OPNOTSUPP | Errno::NOTTY => Code::Unimplemented,
        _ => Code::Unknown,
    }
}

/// The status that tells of `error`, met at `what`: `Cannot WHAT: CAUSE`.
#[must_use]
pub fn status(what: impl std::fmt::Display, error: &io::Error) -> Status {
    let Some(errno) = error.raw_os_error() else {
        return Status::unknown(format!("Cannot {what}: {error}"));
    };
    let name = errno_name(errno);
    let mut status = Status::new(code(Errno::from_raw_os_error(errno)), format!("Cannot {what}: {error}"));
    if let Ok(value) = name.parse() {
        status.metadata_mut().insert(TRAILER, value);
    }
    status
}

/// The status for a request that breaks the API's rules.
#[must_use]
pub fn invalid(message: impl Into<String>) -> Status {
    Status::invalid_argument(message)
}

/// The status for what was meant for another instance of the agent than this one, `own`.
#[must_use]
pub fn other_instance(own: &str) -> Status {
    let mut status = Status::failed_precondition("This was meant for another instance of the agent");
    if let Ok(value) = own.parse() {
        status.metadata_mut().insert(INSTANCE_TRAILER, value);
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_error_has_a_code_a_name_and_a_sentence() {
        let status = status("open /x", &io::Error::from(Errno::NOENT));
        assert_eq!(status.code(), Code::NotFound);
        assert_eq!(status.metadata().get(TRAILER).unwrap(), "ENOENT");
        assert!(status.message().starts_with("Cannot open /x: "));
    }

    #[test]
    fn an_errno_without_a_name_is_told_by_its_number() {
        assert_eq!(errno_name(999), "E999");
    }
}
