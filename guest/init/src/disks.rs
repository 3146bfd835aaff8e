//! Which block devices there are, and which of them is meant.

use crate::cmdline::Root;
use crate::superblock::Superblock;
use std::fs::{self, File};

const BLOCK_DEVICES: &str = "/sys/class/block";
/// Devices beyond this many are not looked at for a label.
const MAX_DEVICES: usize = 256;

/// The names of all block devices, sorted: of two with one label the first is taken, always.
pub fn names() -> Vec<String> {
    let entries = fs::read_dir(BLOCK_DEVICES).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .take(MAX_DEVICES)
        .collect();
    names.sort();
    names
}

/// The path of the wanted device, if it is there yet.
pub fn find(wanted: &Root) -> Option<String> {
    let path = |name: &str| format!("/dev/{name}");
    match wanted {
        Root::Device(name) => fs::exists(path(name)).unwrap_or(false).then(|| path(name)),
        Root::Label(label) => names()
            .iter()
            .map(|name| path(name))
            .find(|device| label_of(device).as_ref() == Some(label)),
    }
}

/// The ext4 label of a device; none if it cannot be read.
fn label_of(device: &str) -> Option<String> {
    Superblock::read(&File::open(device).ok()?)
        .ok()?
        .map(|superblock| superblock.label)
}
