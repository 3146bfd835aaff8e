//! Loads the modules that `/etc/kelpie/modules` lists (docs/boot-contract.md, "initrd").
//!
//! What the boot does not need stays for later: the initrd's directory of modules is mounted where the next stage finds it,
//! with the lines that are left.

use crate::cmdline::CommandLine;
use crate::console::{Doing, Failure, report};
use crate::sys;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;

const LIST: &str = "/etc/kelpie/modules";
/// The initrd's directory of modules: it goes on existing where lines are left.
pub const DIRECTORY: &str = "/lib/modules";
const KEPT_DIRECTORY: &str = "/run/kelpie/modules";
const KEPT_LIST: &str = "/run/kelpie/modules.list";
const DEVICES: &str = "/sys/bus/virtio/devices";

/// When a module is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Always,
    /// Where a virtio device with this id is present, or once one appears.
    Virtio(u32),
    /// Once the agent serves.
    Later,
}

/// One line of the list.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    when: When,
    path: String,
}

/// The lines whose module is not loaded yet.
pub struct Modules {
    lines: Vec<Line>,
    /// Whether `later` has come.
    late: bool,
}

impl Modules {
    /// The list of the initrd.
    pub fn of_initrd() -> Result<Self, Failure> {
        let text = fs::read_to_string(LIST).doing(|| LIST.to_owned())?;
        Ok(Self {
            lines: parse(&text)?,
            late: false,
        })
    }

    /// What the initrd has left over, which may be nothing.
    pub fn left_over() -> Self {
        let text = fs::read_to_string(KEPT_LIST).unwrap_or_default();
        Self {
            lines: parse(&text).unwrap_or_default(),
            late: true,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Loads, in order, each module whose time has come, and removes its file, which nobody reads again. One that fails is
    /// complained of and not tried again. To be called again when a device has appeared.
    pub fn load(&mut self, command_line: &CommandLine) {
        let mut present: Option<BTreeSet<u32>> = None;
        let mut loaded = BTreeSet::new();
        let lines = std::mem::take(&mut self.lines);
        for line in lines {
            if loaded.contains(&line.path) {
                continue;
            }
            let due = match line.when {
                When::Always => true,
                When::Virtio(id) => present.get_or_insert_with(devices).contains(&id),
                When::Later => self.late,
            };
            if !due {
                self.lines.push(line);
                continue;
            }
            report(load(&line.path, command_line));
            let _ = fs::remove_file(&line.path);
            // It may be a bus driver, which finds devices.
            if line.when == When::Always {
                present = None;
            }
            loaded.insert(line.path);
        }
        // A line further up may have waited for another condition.
        self.lines.retain(|line| !loaded.contains(&line.path));
    }

    /// Hands what is left over to the next stage, by a directory and a list below `/run`.
    pub fn hand_over(&self) -> Result<(), Failure> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let doing = || format!("keep {DIRECTORY}");
        fs::create_dir_all(KEPT_DIRECTORY).doing(doing)?;
        sys::mount(DIRECTORY, KEPT_DIRECTORY, "", libc::MS_BIND, "").doing(doing)?;
        let lines = self.lines.iter().map(format_line);
        fs::write(KEPT_LIST, lines.collect::<String>()).doing(doing)
    }
}

/// A line as [`parse_line`] reads it, with its path as the next stage sees it.
fn format_line(Line { when, path }: &Line) -> String {
    let path = path.replacen(DIRECTORY, KEPT_DIRECTORY, 1);
    match when {
        When::Always => format!("always {path}\n"),
        When::Virtio(id) => format!("virtio:{id:04x} {path}\n"),
        When::Later => format!("later {path}\n"),
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
        None if when == "later" => When::Later,
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
        let lines = parse("always /lib/a.ko\nvirtio:001a /lib/b c.ko\nlater /lib/d.ko\n").unwrap();
        let expected = [
            (When::Always, "/lib/a.ko"),
            (When::Virtio(0x1a), "/lib/b c.ko"),
            (When::Later, "/lib/d.ko"),
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
    fn a_line_that_is_left_over_names_where_its_module_is_kept() {
        let lines =
            parse("virtio:001a /lib/modules/6.1/a.ko\nlater /lib/modules/6.1/b.ko\n").unwrap();
        let text: String = lines.iter().map(format_line).collect();
        assert_eq!(
            text,
            "virtio:001a /run/kelpie/modules/6.1/a.ko\nlater /run/kelpie/modules/6.1/b.ko\n"
        );
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
