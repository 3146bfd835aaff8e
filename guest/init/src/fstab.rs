//! `/etc/fstab` (fstab(5)): what an image wants mounted besides.

use crate::cmdline::Root;
use crate::console::{Doing, Failure, report};
use crate::mounts::{Mount, mount, parse_options, unescape};
use crate::{disks, sys};
use std::fs;
use std::io::ErrorKind;

const PATH: &str = "/etc/fstab";

/// One line, as it stands.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    source: String,
    target: String,
    kind: String,
    options: String,
}

impl Entry {
    fn has(&self, option: &str) -> bool {
        self.options.split(',').any(|word| word == option)
    }
}

/// Mounts what `/etc/fstab` lists, in its order; what fails is complained of unless it says `nofail`.
pub fn mount_all() {
    let text = match fs::read_to_string(PATH) {
        Err(error) if error.kind() == ErrorKind::NotFound => return,
        text => text.doing(|| PATH.to_owned()),
    };
    let entries = match text.and_then(|text| parse(&text)) {
        Ok(entries) => entries,
        Err(failure) => return report(Err(failure)),
    };
    for entry in entries
        .iter()
        .filter(|entry| entry.target != "/" && !entry.has("noauto"))
    {
        let result = enter(entry);
        if !entry.has("nofail") {
            report(result);
        }
    }
}

fn enter(entry: &Entry) -> Result<(), Failure> {
    let source = match entry.source.strip_prefix("LABEL=") {
        None => entry.source.clone(),
        Some(label) => disks::find(&Root::Label(label.to_owned())).ok_or_else(|| {
            Failure::because(
                format!("mount {}", entry.target),
                &format!("no device is labelled {label}"),
            )
        })?,
    };
    if entry.kind == "swap" {
        return sys::swap_on(&source).doing(|| format!("swap {source}"));
    }
    let (flags, data) = parse_options(&entry.options);
    mount(Mount {
        source: &source,
        target: &entry.target,
        kind: &entry.kind,
        flags,
        data: &data,
    })
}

fn parse(text: &str) -> Result<Vec<Entry>, Failure> {
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            parse_line(line).ok_or_else(|| {
                Failure::because(
                    PATH,
                    &format!("expected \"SOURCE TARGET TYPE [OPTIONS]\", found {line:?}"),
                )
            })
        })
        .collect()
}

fn parse_line(line: &str) -> Option<Entry> {
    let mut fields = line.split_ascii_whitespace().map(unescape);
    let (source, target, kind) = (fields.next()?, fields.next()?, fields.next()?);
    let options = fields.next().unwrap_or_default();
    (target.starts_with('/') || kind == "swap").then_some(Entry {
        source,
        target,
        kind,
        options,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(source: &str, target: &str, kind: &str, options: &str) -> Entry {
        Entry {
            source: source.into(),
            target: target.into(),
            kind: kind.into(),
            options: options.into(),
        }
    }

    #[test]
    fn comments_and_blanks_are_passed_over_and_options_may_be_left_out() {
        let text = "# a comment\n\n LABEL=data\t/data ext4 noatime,nofail 0 2\ntmpfs /scratch tmpfs\nwork /my\\040work 9p ro\n/dev/vdb none swap sw\n";
        let expected = vec![
            entry("LABEL=data", "/data", "ext4", "noatime,nofail"),
            entry("tmpfs", "/scratch", "tmpfs", ""),
            entry("work", "/my work", "9p", "ro"),
            entry("/dev/vdb", "none", "swap", "sw"),
        ];
        assert_eq!(parse(text).unwrap(), expected);
        assert!(expected[0].has("nofail") && !expected[0].has("fail"));
    }

    #[test]
    fn a_line_of_another_form_is_refused_and_shown() {
        for line in ["/dev/vdb /data", "/dev/vdb data ext4"] {
            assert!(parse(line).unwrap_err().to_string().contains(line));
        }
    }
}
