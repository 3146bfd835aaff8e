//! What is mounted in every VM, and how mount options are spelt.

use crate::console::{Doing, Failure, complain};
use crate::sys;
use libc::c_ulong;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// One file system to mount.
#[derive(Debug, Clone, Copy)]
pub struct Mount<'a> {
    pub source: &'a str,
    pub target: &'a str,
    pub kind: &'a str,
    pub flags: c_ulong,
    pub data: &'a str,
}

const NO_SUID_DEV: c_ulong = libc::MS_NOSUID | libc::MS_NODEV;
const NO_SUID_DEV_EXEC: c_ulong = NO_SUID_DEV | libc::MS_NOEXEC;

const fn kernel_mount(
    kind: &'static str,
    target: &'static str,
    flags: c_ulong,
    data: &'static str,
) -> Mount<'static> {
    Mount {
        source: kind,
        target,
        kind,
        flags,
        data,
    }
}

/// Without these nothing works: the initrd mounts them and hands them on.
pub const ESSENTIAL: [Mount; 4] = [
    kernel_mount("devtmpfs", "/dev", libc::MS_NOSUID, "mode=0755"),
    kernel_mount("proc", "/proc", NO_SUID_DEV_EXEC, ""),
    kernel_mount("sysfs", "/sys", NO_SUID_DEV_EXEC, ""),
    kernel_mount("tmpfs", "/run", NO_SUID_DEV, "mode=0755"),
];

/// What programs expect besides; a VM without one of them still runs, and says what is missing.
pub const CUSTOMARY: [Mount; 4] = [
    kernel_mount(
        "devpts",
        "/dev/pts",
        libc::MS_NOSUID | libc::MS_NOEXEC,
        "gid=5,mode=0620,ptmxmode=0666",
    ),
    kernel_mount("tmpfs", "/dev/shm", NO_SUID_DEV, "mode=1777"),
    kernel_mount("tmpfs", "/tmp", NO_SUID_DEV, "mode=1777"),
    kernel_mount(
        "cgroup2",
        "/sys/fs/cgroup",
        NO_SUID_DEV_EXEC,
        "nsdelegate,memory_recursiveprot",
    ),
];

/// Mounts what is not mounted yet, after making the directory where it can be made.
pub fn mount(what: Mount) -> Result<(), Failure> {
    let Mount {
        source,
        target,
        kind,
        flags,
        data,
    } = what;
    // On a root that is read-only the directory must be there; the mount says so if it is not.
    let _ = fs::create_dir_all(target);
    if is_mount_point(Path::new(target)) {
        return Ok(());
    }
    sys::mount(source, target, kind, flags, data).doing(|| format!("mount {target} ({kind})"))
}

/// Mounts them all; one that fails is complained of.
pub fn mount_customary() {
    for what in CUSTOMARY {
        if let Err(failure) = mount(what) {
            complain(&failure);
        }
    }
}

/// Whether something is mounted on a directory: it is on another device than its parent.
pub fn is_mount_point(directory: &Path) -> bool {
    let device = |path: &Path| fs::symlink_metadata(path).map(|status| status.dev()).ok();
    match (device(directory), directory.parent().and_then(device)) {
        (Some(own), Some(parent)) => own != parent,
        _ => false,
    }
}

/// Takes back the escapes of fstab and mountinfo: a blank in a field is written as a backslash and three octal digits.
pub fn unescape(field: &str) -> String {
    [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ]
    .iter()
    .fold(field.to_owned(), |text, (code, character)| {
        text.replace(code, character)
    })
}

/// Where file systems are mounted, those mounted last first.
pub fn mounted() -> Vec<String> {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let targets = text
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(unescape);
    targets.collect::<Vec<_>>().into_iter().rev().collect()
}

/// Splits mount options into the flags that mount(2) has bits for, and the rest, which the file system reads.
pub fn parse_options(options: &str) -> (c_ulong, String) {
    let mut flags = 0;
    let mut data = Vec::new();
    for word in options.split(',').filter(|word| !word.is_empty()) {
        match word {
            "ro" => flags |= libc::MS_RDONLY,
            "rw" => flags &= !libc::MS_RDONLY,
            "nosuid" => flags |= libc::MS_NOSUID,
            "nodev" => flags |= libc::MS_NODEV,
            "noexec" => flags |= libc::MS_NOEXEC,
            "sync" => flags |= libc::MS_SYNCHRONOUS,
            "dirsync" => flags |= libc::MS_DIRSYNC,
            "noatime" => flags |= libc::MS_NOATIME,
            "nodiratime" => flags |= libc::MS_NODIRATIME,
            "relatime" => flags |= libc::MS_RELATIME,
            "strictatime" => flags |= libc::MS_STRICTATIME,
            "lazytime" => flags |= libc::MS_LAZYTIME,
            "bind" => flags |= libc::MS_BIND,
            "rbind" => flags |= libc::MS_BIND | libc::MS_REC,
            // Words for whoever reads fstab, not for the file system.
            "defaults" | "auto" | "noauto" | "nofail" | "_netdev" | "suid" | "dev" | "exec"
            | "async" | "atime" | "user" | "nouser" => {}
            _ if word.starts_with("x-") => {}
            _ => data.push(word),
        }
    }
    (flags, data.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_become_flags_and_the_rest_goes_to_the_file_system() {
        for (options, flags, data) in [
            ("defaults", 0, ""),
            ("", 0, ""),
            ("ro,noatime", libc::MS_RDONLY | libc::MS_NOATIME, ""),
            ("ro,rw", 0, ""),
            (
                "trans=virtio,nosuid,version=9p2000.L",
                libc::MS_NOSUID,
                "trans=virtio,version=9p2000.L",
            ),
            ("nofail,x-systemd.automount,size=1m", 0, "size=1m"),
        ] {
            assert_eq!(
                parse_options(options),
                (flags, data.to_owned()),
                "{options}"
            );
        }
    }

    #[test]
    fn a_directory_on_its_parents_device_is_no_mount_point() {
        assert!(!is_mount_point(Path::new("/proc/self/task")));
        assert!(is_mount_point(Path::new("/proc")));
        assert!(!is_mount_point(Path::new("/nowhere/at/all")));
    }
}
