//! As `/init` of the initrd: modules, root file system, and over to the `/sbin/init` that stands on it.

use crate::cmdline::{CommandLine, Root};
use crate::console::{Doing, Failure, fresh_line, say};
use crate::modules::{self, Modules};
use crate::mounts::{ESSENTIAL, mount, parse_options};
use crate::trace::{self, Trace};
use crate::uevents::Uevents;
use crate::{disks, sys, vm};
use std::convert::Infallible;
use std::ffi::CStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, chroot};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const NEW_ROOT: &str = "/newroot";
const NEXT: &str = "/sbin/init";
const ROOT_FILE_SYSTEM: &CStr = c"/";
/// A root that has not appeared by then will not.
const ROOT_DEADLINE: Duration = Duration::from_secs(10);
const RAMFS_MAGIC: i64 = 0x8584_58f6;
const TMPFS_MAGIC: i64 = 0x0102_1994;

/// Whether this is an initrd: the root is the kernel's own memory file system, with the place for the real one.
pub fn is_initrd() -> bool {
    let kind = sys::file_system_type(ROOT_FILE_SYSTEM).unwrap_or_default();
    (kind == RAMFS_MAGIC || kind == TMPFS_MAGIC) && Path::new(NEW_ROOT).is_dir()
}

/// Goes all the way to the next stage; returns only with what stopped it.
pub fn run(trace: &mut Trace) -> Result<Infallible, Failure> {
    fresh_line();
    say("init initrd");
    trace.reached("initrd");
    for what in ESSENTIAL {
        mount(what)?;
    }
    let text = fs::read_to_string("/proc/cmdline").doing(|| "/proc/cmdline".to_owned())?;
    let command_line = CommandLine::parse(&text);
    // Opened before the first look, so that nothing appears unheard between looking and waiting.
    let mut uevents = Uevents::open().doing(|| "uevent socket".to_owned())?;

    say("init modules");
    let mut modules = Modules::of_initrd()?;
    modules.load(&command_line);
    trace.reached("modules");

    let device = wait_for_root(&command_line, &mut modules, &mut uevents)?;
    say("init root");
    mount_root(&device, &command_line)?;
    trace.reached("root");

    say("init switch");
    modules.hand_over()?;
    switch_root()?;
    trace.reached("switch");
    start_next(trace)
}

fn wait_for_root(
    command_line: &CommandLine,
    modules: &mut Modules,
    uevents: &mut Uevents,
) -> Result<String, Failure> {
    let Some(wanted) = &command_line.root else {
        return Err(Failure::because(
            "root",
            "expected root=LABEL=… or root=/dev/… on the kernel command line",
        ));
    };
    let deadline = Instant::now() + ROOT_DEADLINE;
    loop {
        if let Some(device) = disks::find(wanted) {
            return Ok(device);
        }
        if !uevents.wait(deadline) {
            return Err(no_root(wanted));
        }
        modules.load(command_line);
    }
}

fn no_root(wanted: &Root) -> Failure {
    let name = match wanted {
        Root::Label(label) => format!("root LABEL={label}"),
        Root::Device(device) => format!("root /dev/{device}"),
    };
    let seen = disks::names().join(", ");
    Failure::because(name, &format!("did not appear, block devices: {seen:?}"))
}

fn mount_root(device: &str, command_line: &CommandLine) -> Result<(), Failure> {
    let (mut flags, data) = parse_options(&command_line.root_flags);
    if command_line.read_only {
        flags |= libc::MS_RDONLY;
    }
    sys::mount(device, NEW_ROOT, "ext4", flags, &data)
        .doing(|| format!("mount root {device} (ext4)"))
}

/// Makes the mounted root the root, and frees the initrd's memory.
fn switch_root() -> Result<(), Failure> {
    for what in ESSENTIAL {
        let target = format!("{NEW_ROOT}{}", what.target);
        // A root that is read-only must have the directories; the move says so if it does not.
        let _ = fs::create_dir(&target);
        sys::mount(what.target, &target, "", libc::MS_MOVE, "")
            .doing(|| format!("move {} to {target}", what.target))?;
    }
    let initrd_device = fs::metadata("/").doing(|| "stat /".to_owned())?.dev();
    remove_below(Path::new("/"), initrd_device);
    let doing = || "switch root".to_owned();
    std::env::set_current_dir(NEW_ROOT).doing(doing)?;
    sys::mount(".", "/", "", libc::MS_MOVE, "").doing(doing)?;
    chroot(".").doing(doing)?;
    std::env::set_current_dir("/").doing(doing)
}

/// Goes on as the root's init. Where that is this same program there is no need to read it again from the disk, which
/// takes longer than any other step.
fn start_next(trace: &mut Trace) -> Result<Infallible, Failure> {
    if is_this_program(NEXT) {
        return vm::run(trace);
    }
    let cause = Command::new(NEXT).env(trace::VARIABLE, trace.text()).exec();
    Err(Failure::new(format!("exec {NEXT}"), cause))
}

/// Whether `path` is the program that runs: their first pages, which hold the build id, a digest of the whole, are the
/// same.
fn is_this_program(path: &str) -> bool {
    let first_page = |path: &str| -> io::Result<[u8; 4096]> {
        let mut page = [0; 4096];
        File::open(path)?.read_exact(&mut page)?;
        Ok(page)
    };
    matches!((first_page("/proc/self/exe"), first_page(path)), (Ok(own), Ok(other)) if own == other)
}

/// Removes everything on the initrd's own device but the modules that are left over; what is mounted over it stays. What
/// cannot be removed only costs memory.
fn remove_below(directory: &Path, device: u64) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(status) = entry.metadata() else {
            continue;
        };
        if status.dev() != device || path == Path::new(modules::DIRECTORY) {
            continue;
        }
        if status.is_dir() {
            remove_below(&path, device);
            let _ = fs::remove_dir(&path);
        } else {
            let _ = fs::remove_file(&path);
        }
    }
}
