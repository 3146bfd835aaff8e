//! Makes the machine itself ready: its name, loopback, the size of its root and its identity.

use crate::console::{Doing, Failure};
use crate::superblock::Superblock;
use crate::sys;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;

const DEFAULT_HOSTNAME: &str = "kelpie";
const MAX_HOSTNAME_BYTES: usize = 64;
const MACHINE_ID: &str = "/etc/machine-id";
const SECTOR_BYTES: u64 = 512;

/// Sets the host name: the command line's, else the image's own, else the default.
pub fn set_hostname(given: Option<&str>) -> Result<(), Failure> {
    let own = fs::read_to_string("/etc/hostname").unwrap_or_default();
    let name = [given.unwrap_or_default(), own.trim()]
        .into_iter()
        .find(|name| is_hostname(name))
        .unwrap_or(DEFAULT_HOSTNAME);
    sys::set_hostname(name).doing(|| format!("hostname {name}"))
}

fn is_hostname(name: &str) -> bool {
    let is_plain =
        |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '.');
    !name.is_empty()
        && name.len() <= MAX_HOSTNAME_BYTES
        && name.chars().all(is_plain)
        && !name.starts_with('-')
}

pub fn loopback_up() -> Result<(), Failure> {
    sys::interface_up("lo").doing(|| "interface lo".to_owned())
}

/// Grows the root file system to its disk, where the disk is larger. The new size in bytes, if it grew.
pub fn grow_root() -> Result<Option<u64>, Failure> {
    let doing = || "grow root".to_owned();
    let device = fs::metadata("/").doing(doing)?.dev();
    let (major, minor) = (libc::major(device), libc::minor(device));
    let information = format!("/sys/dev/block/{major}:{minor}");
    // A root that is on no block device (a memory or shared file system) does not grow.
    let Ok(sectors) = fs::read_to_string(format!("{information}/size")) else {
        return Ok(None);
    };
    let event = fs::read_to_string(format!("{information}/uevent")).doing(doing)?;
    let Some(name) = event.lines().find_map(|line| line.strip_prefix("DEVNAME=")) else {
        return Ok(None);
    };
    let disk = File::open(format!("/dev/{name}")).doing(doing)?;
    let Some(Superblock {
        block_bytes,
        blocks,
        ..
    }) = Superblock::read(&disk).doing(doing)?
    else {
        return Ok(None);
    };
    let wanted = sectors.trim().parse::<u64>().unwrap_or(0) * SECTOR_BYTES / block_bytes;
    if wanted <= blocks {
        return Ok(None);
    }
    let root = File::open("/").doing(doing)?;
    sys::resize_ext4(&root, wanted).doing(doing)?;
    Ok(Some(wanted * block_bytes))
}

/// Whether the image carries no machine id of its own.
pub fn lacks_machine_id() -> bool {
    fs::read_to_string(MACHINE_ID).is_ok_and(|text| text.trim().is_empty())
        || !fs::exists(MACHINE_ID).unwrap_or(true)
}

/// Writes a fresh machine id (machine-id(5)); `false` if the kernel has no randomness yet.
pub fn make_machine_id() -> Result<bool, Failure> {
    let mut bytes = [0; 16];
    if !sys::random_now(&mut bytes) {
        return Ok(false);
    }
    // A version 4 UUID, as the format asks for.
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    text.push('\n');
    fs::write(MACHINE_ID, text).doing(|| MACHINE_ID.to_owned())?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_name_is_plain_and_bounded() {
        for (name, good) in [
            ("kelpie", true),
            ("box-1.example", true),
            ("", false),
            ("-a", false),
            ("a b", false),
            ("a\u{e9}", false),
        ] {
            assert_eq!(is_hostname(name), good, "{name:?}");
        }
        assert!(is_hostname(&"a".repeat(64)) && !is_hostname(&"a".repeat(65)));
    }
}
