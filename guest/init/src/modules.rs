//! Loads the modules that `/etc/kelpie/modules` lists (docs/boot-contract.md, "initrd").

use crate::cmdline::CommandLine;
use crate::console::{Doing, Failure};
use crate::sys;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;

const LIST: &str = "/etc/kelpie/modules";
const DEVICES: &str = "/sys/bus/virtio/devices";

/// When a module is loaded.
#[derive(Debug, PartialEq, Eq)]
enum When {
    Always,
    /// Where a virtio device with this id is present.
    Virtio(u32),
}

/// One line of the list.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    when: When,
    path: String,
}

/// The list, with what has been loaded of it.
pub struct Modules {
    lines: Vec<Line>,
    loaded: BTreeSet<String>,
}

impl Modules {
    pub fn read() -> Result<Self, Failure> {
        let text = fs::read_to_string(LIST).doing(|| LIST.to_owned())?;
        Ok(Self {
            lines: parse(&text)?,
            loaded: BTreeSet::new(),
        })
    }

    /// Loads, in order, each module whose time has come; says how many that were. To be called again when a device has
    /// appeared.
    pub fn load(&mut self, command_line: &CommandLine) -> Result<usize, Failure> {
        let before = self.loaded.len();
        let mut present: Option<BTreeSet<u32>> = None;
        for Line { when, path } in &self.lines {
            if self.loaded.contains(path) {
                continue;
            }
            let due = match when {
                When::Always => true,
                When::Virtio(id) => present.get_or_insert_with(devices).contains(id),
            };
            if due {
                load(path, command_line)?;
                self.loaded.insert(path.clone());
                // It may be a bus driver, which finds devices.
                if *when == When::Always {
                    present = None;
                }
            }
        }
        Ok(self.loaded.len() - before)
    }
}

fn load(path: &str, command_line: &CommandLine) -> Result<(), Failure> {
    let doing = || format!("module {path}");
    let name = Path::new(path)
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy();
    let file = File::open(path).doing(doing)?;
    match sys::load_module(&file, &command_line.parameters_of(&name)) {
        // Loaded already, or there is none of the hardware that it drives (an optional accelerator of a cipher).
        Err(error) if matches!(error.raw_os_error(), Some(libc::EEXIST | libc::ENODEV)) => Ok(()),
        result => result.doing(doing),
    }
}

/// The ids of the virtio devices that a bus driver has found.
fn devices() -> BTreeSet<u32> {
    let Ok(entries) = fs::read_dir(DEVICES) else {
        return BTreeSet::new();
    };
    entries
        .flatten()
        .filter_map(|entry| fs::read_to_string(entry.path().join("device")).ok())
        .filter_map(|text| parse_id(text.trim().strip_prefix("0x")?))
        .collect()
}

fn parse_id(text: &str) -> Option<u32> {
    (text.len() == 4).then(|| u32::from_str_radix(text, 16).ok())?
}

fn parse(text: &str) -> Result<Vec<Line>, Failure> {
    let lines = text.lines().filter(|line| !line.is_empty());
    lines
        .map(|line| {
            parse_line(line).ok_or_else(|| {
                Failure::because(LIST, &format!("expected \"WHEN PATH\", found {line:?}"))
            })
        })
        .collect()
}

fn parse_line(line: &str) -> Option<Line> {
    let (when, path) = line.split_once(' ')?;
    let when = match when.split_once(':') {
        None if when == "always" => When::Always,
        Some(("virtio", id)) => When::Virtio(parse_id(id)?),
        _ => return None,
    };
    let path = path.to_owned();
    path.starts_with('/').then_some(Line { when, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_a_condition_and_a_path_on_each_line() {
        let lines = parse("always /lib/a.ko\nvirtio:001a /lib/b c.ko\n").unwrap();
        let expected = [
            (When::Always, "/lib/a.ko"),
            (When::Virtio(0x1a), "/lib/b c.ko"),
        ];
        let expected: Vec<Line> = expected
            .into_iter()
            .map(|(when, path)| Line {
                when,
                path: path.into(),
            })
            .collect();
        assert_eq!(lines, expected);
        assert_eq!(parse("").unwrap(), []);
    }

    #[test]
    fn a_line_of_another_form_is_refused_and_shown() {
        for line in [
            "always",
            "sometimes /a",
            "virtio:2 /a",
            "virtio:zzzz /a",
            "pci:0002 /a",
            "always a.ko",
            " /a",
        ] {
            let message = parse(line).err().map(|failure| failure.to_string());
            assert!(message.is_some_and(|text| text.contains(line)), "{line:?}");
        }
    }
}
