//! Readers for the text that the kernel gives in /proc and /sys.

use crate::api::Memory;

/// A line of /proc/self/mountinfo: proc(5).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mount {
    pub target: String,
    pub kind: String,
    pub source: String,
    pub read_only: bool,
}

/// The mounts that /proc/self/mountinfo lists, in the kernel's order.
#[must_use]
pub fn mounts(mountinfo: &str) -> Vec<Mount> {
    mountinfo.lines().filter_map(mount).collect()
}

fn mount(line: &str) -> Option<Mount> {
    // The optional fields in the middle end with a lone hyphen.
    let (place, device) = line.split_once(" - ")?;
    let mut place = place.split(' ').skip(4);
    let target = unescape(place.next()?);
    let read_only = place.next()?.split(',').any(|option| option == "ro");
    let mut device = device.split(' ');
    Some(Mount { target, read_only, kind: device.next()?.to_owned(), source: unescape(device.next()?) })
}

/// The kernel writes space, tab, newline and backslash as three octal digits.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let octal =
            tail.get(..3).filter(|_| first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(byte) = octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            bytes.push(byte);
            rest = &tail[3..];
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The number that follows `name` (with or without a colon) at the start of a line.
#[must_use]
pub fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let found = words.next()?.trim_end_matches(':') == name;
        found.then(|| words.next()?.parse().ok())?
    })
}

/// How many times the kernel has killed for want of memory since boot.
#[must_use]
pub fn oom_kills() -> u64 {
    field(&read("/proc/vmstat"), "oom_kill").unwrap_or(0)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The guest's memory.
#[must_use]
pub fn memory() -> Memory {
    let text = read("/proc/meminfo");
    let bytes = |name| field(&text, name).unwrap_or(0) * 1024;
    Memory {
        total_bytes: bytes("MemTotal"),
        available_bytes: bytes("MemAvailable"),
        swap_total_bytes: bytes("SwapTotal"),
        swap_free_bytes: bytes("SwapFree"),
    }
}

/// Milliseconds since the kernel started, the time it slept among them.
#[must_use]
pub fn uptime_ms() -> u64 {
    let text = read("/proc/uptime");
    text.split(' ').next().and_then(thousandths).unwrap_or(0)
}

/// The run queue's average length over 1, 5 and 15 minutes, in thousandths.
#[must_use]
pub fn load_milli() -> Vec<u32> {
    let text = read("/proc/loadavg");
    let loads = text.split(' ').take(3).filter_map(thousandths);
    loads.map(|load| u32::try_from(load).unwrap_or(u32::MAX)).collect()
}

/// How many processes and threads there are.
#[must_use]
pub fn processes_total() -> u32 {
    let text = read("/proc/loadavg");
    let entities = text.split(' ').nth(3).and_then(|counts| counts.split_once('/'));
    entities.and_then(|(_, total)| total.parse().ok()).unwrap_or(0)
}

/// The agent's own resident memory.
#[must_use]
pub fn own_resident_bytes() -> u64 {
    field(&read("/proc/self/status"), "VmRSS").unwrap_or(0) * 1024
}

/// A decimal fraction with two places, such as `0.25`, in thousandths.
fn thousandths(text: &str) -> Option<u64> {
    let (whole, hundredths) = text.split_once('.')?;
    Some(whole.parse::<u64>().ok()? * 1000 + hundredths.get(..2)?.parse::<u64>().ok()? * 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_read_with_and_without_optional_fields() {
        let text = "22 1 254:0 / / rw,relatime shared:1 master:2 - ext4 /dev/vda rw\n\
                    30 22 0:5 / /with\\040space ro - tmpfs tmp\\134fs ro\nnonsense\n";
        let mounts = mounts(text);
        assert_eq!(mounts.len(), 2);
        assert_eq!(
            (mounts[0].target.as_str(), mounts[0].kind.as_str(), mounts[0].read_only),
            ("/", "ext4", false)
        );
        assert_eq!(
            (mounts[1].target.as_str(), mounts[1].source.as_str(), mounts[1].read_only),
            ("/with space", "tmp\\fs", true)
        );
    }

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let text = "MemTotal:       1024 kB\nMemAvailable: 512 kB\noom_kill 3\noom 1\n";
        assert_eq!(field(text, "MemTotal"), Some(1024));
        assert_eq!(field(text, "oom_kill"), Some(3));
        assert_eq!(field(text, "Mem"), None);
    }
}
