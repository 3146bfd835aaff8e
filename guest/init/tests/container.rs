//! kelpie-init in a container, played by namespaces of its own: an ordinary init for one command.

use std::io::Write;
use std::process::{Command, Output, Stdio};

const INIT: &str = env!("CARGO_BIN_EXE_kelpie-init");

/// What follows as PID 1 of a new PID namespace, with a `/proc` of its own.
fn namespaces() -> Command {
    let mut command = Command::new("unshare");
    command.args([
        "--user",
        "--map-root-user",
        "--pid",
        "--fork",
        "--mount-proc",
    ]);
    command
}

/// kelpie-init there, with the mark that container runtimes set.
fn container(arguments: &[&str]) -> Command {
    let mut command = namespaces();
    command
        .arg(INIT)
        .args(arguments)
        .env("container", "test")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// What the command does, or nothing where this machine lets nobody make namespaces.
fn run(arguments: &[&str]) -> Option<Output> {
    let allowed = container(&["true"]).output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: user namespaces are not to be had here");
        return None;
    }
    Some(container(arguments).output().expect("unshare runs"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn it_runs_its_argument_and_ends_with_its_code() {
    let Some(output) = run(&["sh", "-c", "echo from $$; exit 7"]) else {
        return;
    };
    assert_eq!(output.status.code(), Some(7));
    // Not PID 1: that is ours.
    assert_eq!(text(&output.stdout), "from 2\n");
}

#[test]
fn a_command_that_a_signal_ends_is_reported_as_shells_do() {
    let Some(output) = run(&["sh", "-c", "kill -KILL $$"]) else {
        return;
    };
    assert_eq!(output.status.code(), Some(128 + 9));
}

#[test]
fn a_command_that_is_not_there_is_named_and_ends_with_127() {
    let Some(output) = run(&["/no/such/command"]) else {
        return;
    };
    assert_eq!(output.status.code(), Some(127));
    assert!(
        text(&output.stdout)
            .starts_with("kelpie: error /no/such/command: No such file or directory")
    );
}

#[test]
fn orphans_are_reaped_while_the_command_runs() {
    let script = "for i in 1 2 3 4 5; do (true & ) ; done; sleep 0.3; grep -l '^State:.Z' /proc/[0-9]*/status | wc -l";
    let Some(output) = run(&["sh", "-c", script]) else {
        return;
    };
    assert_eq!(text(&output.stdout).trim(), "0", "{}", text(&output.stderr));
}

#[test]
fn a_signal_reaches_the_command() {
    // PID 1 of a namespace is not to be signalled from within but by what it handles; its child may ask it to pass one on.
    let script = "trap 'echo caught; exit 5' TERM; kill -TERM 1; while :; do sleep 0.02; done";
    let Some(output) = run(&["sh", "-c", script]) else {
        return;
    };
    assert_eq!(text(&output.stdout), "caught\n");
    assert_eq!(output.status.code(), Some(5));
}

#[test]
fn the_command_starts_with_no_signal_blocked() {
    let Some(output) = run(&["grep", "SigBlk", "/proc/self/status"]) else {
        return;
    };
    assert_eq!(text(&output.stdout), "SigBlk:\t0000000000000000\n");
}

#[test]
fn without_an_argument_it_is_a_shell() {
    if run(&["true"]).is_none() {
        return;
    }
    let mut child = container(&[])
        .stdin(Stdio::piped())
        .spawn()
        .expect("unshare runs");
    let mut input = child.stdin.take().expect("a pipe");
    input
        .write_all(b"echo a shell; exit 3\n")
        .expect("the shell reads");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(
        (output.status.code(), text(&output.stdout)),
        (Some(3), "a shell\n".to_owned())
    );
}

#[test]
fn a_process_that_is_not_the_first_becomes_its_command() {
    let output = Command::new(INIT)
        .args(["sh", "-c", "echo here; exit 4"])
        .output()
        .expect("it runs");
    assert_eq!(
        (output.status.code(), text(&output.stdout)),
        (Some(4), "here\n".to_owned())
    );
}

#[test]
fn without_the_right_to_mount_it_is_an_ordinary_init_wherever_it_runs() {
    // No mark of a container's maker: only what the process may do tells.
    let mut command = namespaces();
    command
        .args([
            "setpriv",
            "--bounding-set=-sys_admin",
            "--inh-caps=-sys_admin",
        ])
        .arg(INIT)
        .args(["sh", "-c", "echo from $$; exit 6"])
        .env_remove("container")
        .stdin(Stdio::null());
    let allowed = run(&["setpriv", "--bounding-set=-sys_admin", "true"]);
    if !allowed.is_some_and(|output| output.status.success()) {
        eprintln!("skipped: there is no setpriv, or it may not give up a right here");
        return;
    }
    let output = command.output().expect("unshare runs");
    assert_eq!(
        (output.status.code(), text(&output.stdout)),
        (Some(6), "from 2\n".to_owned()),
        "{}",
        text(&output.stderr)
    );
}
