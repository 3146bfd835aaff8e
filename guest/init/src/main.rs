//! kelpie-init: `/init` of the initrd, `/sbin/init` of a VM, and an ordinary init in a container.

mod children;
mod cmdline;
mod console;
mod container;
mod disks;
mod fstab;
mod initrd;
mod late_modules;
mod log;
mod machine;
mod modules;
mod mounts;
mod shutdown;
mod superblock;
#[allow(unsafe_code, reason = "calls of the kernel that std does not have")]
mod sys;
mod trace;
mod uevents;
mod vm;

use console::complain;
use shutdown::{Ending, stop};
use std::ffi::OsString;
use trace::Trace;

fn main() {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    if std::process::id() != 1 {
        complain(&container::become_command(&arguments));
        std::process::exit(127);
    }
    let mut trace = Trace::from_environment();
    let stopped_by = if initrd::is_initrd() {
        initrd::run(&mut trace)
    } else if container::is_container() {
        match container::run(&arguments) {
            Ok(code) => std::process::exit(code),
            Err(failure) => {
                complain(&failure);
                std::process::exit(127);
            }
        }
    } else {
        vm::run(&mut trace)
    };
    let Err(failure) = stopped_by;
    complain(&failure);
    // A VM that cannot go on ends, so that whoever waits for it hears of it.
    stop(Ending::PowerOff)
}
