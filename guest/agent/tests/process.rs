//! How processes start, run and end, against a real agent.

mod support;

use kelpie_guest::api::exec_request::Request as ExecPart;
use kelpie_guest::api::{
    AttachRequest, ExecRequest, ExitCause, Identity, ProcessSpec, Signal, SignalProcessRequest, SignalTarget,
    SpawnError, StdinEnd, StdinMode, Terminal, TerminalSize, identity,
};
use std::time::{Duration, Instant};
use support::{Agent, Ran, begin, command, eventually, is_alive, lines, shell};

fn part(part: ExecPart) -> ExecRequest {
    ExecRequest { request: Some(part) }
}

fn stdin(data: &[u8]) -> ExecRequest {
    part(ExecPart::Stdin(data.to_vec().into()))
}

#[tokio::test]
async fn output_comes_apart_and_whole_and_before_the_exit() {
    let agent = Agent::start();
    let channel = agent.connect().await;
    let ran = channel.run(shell("printf out; printf err >&2; exit 7")).await;
    assert_eq!(
        (ran.stdout.as_slice(), ran.stderr.as_slice(), ran.code()),
        (&b"out"[..], &b"err"[..], Some(7))
    );
    assert_eq!(ran.cause(), ExitCause::Own);
    assert!(!ran.exit.unwrap().output_held);
}

#[tokio::test]
async fn much_output_passes_through_small_buffers_unchanged() {
    let agent = Agent::start();
    let channel = agent.connect().await;
    let script = "i=0; while [ $i -lt 200000 ]; do echo line $i; i=$((i+1)); done";
    let ran = channel.run(ProcessSpec { output_buffer_bytes: 64 * 1024, ..shell(script) }).await;
    let expected = lines(200_000);
    assert_eq!(ran.text(), expected);
    assert_eq!(ran.code(), Some(0));
}

#[tokio::test]
async fn stdin_is_passed_on_whole_and_ends_by_request_and_by_the_streams_end() {
    let agent = Agent::start();
    let channel = agent.connect().await;
    let spec = ProcessSpec { stdin: StdinMode::Pipe.into(), ..command(&["cat"]) };
    let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let mut requests: Vec<_> = bytes.chunks(60_000).map(stdin).collect();
    let by_end_of_stream = channel.run_with(spec.clone(), &requests).await;
    assert_eq!(by_end_of_stream.stdout, bytes);
    requests.push(part(ExecPart::StdinEnd(StdinEnd {})));
    assert_eq!(channel.run_with(spec, &requests).await.stdout, bytes);
}

#[tokio::test]
async fn stdin_without_a_pipe_is_at_its_end() {
    let agent = Agent::start();
    let ran = agent.connect().await.run(command(&["cat"])).await;
    assert_eq!((ran.code(), ran.stdout.len()), (Some(0), 0));
}

#[tokio::test]
async fn stdin_that_nobody_reads_hangs_nothing() {
    let agent = Agent::start();
    let channel = agent.connect().await;
    let spec = ProcessSpec { stdin: StdinMode::Pipe.into(), ..shell("exec 0<&-; sleep 0.1; echo done") };
    let ran = channel.run_with(spec, &vec![stdin(&vec![0; 60_000]); 10]).await;
    assert_eq!((ran.text().as_str(), ran.code()), ("done\n", Some(0)));
}

#[tokio::test]
async fn every_spawn_failure_has_its_own_name() {
    let agent = Agent::start();
    let channel = agent.connect().await;
    let file = |name: &str, mode: u32, content: &[u8]| {
        use std::os::unix::fs::PermissionsExt;
        let path = agent.directory.join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let user = |user| Some(Identity { user: Some(user), ..Identity::default() });
    let group = |group| Some(Identity { group: Some(group), ..Identity::default() });
    let plain = file("plain", 0o644, b"#!/bin/sh\n");
    let garbage = file("garbage", 0o755, b"\x01\x02\x03");
    let orphan = file("orphan", 0o755, b"#!/no/such/interpreter\n");
    let long = "x".repeat(200_000);
    let cases = [
        (command(&["no-such-program"]), SpawnError::NotFound, "ENOENT"),
        (command(&["/no/such/program"]), SpawnError::NotFound, "ENOENT"),
        (command(&[&plain]), SpawnError::NotExecutable, "EACCES"),
        (command(&["/"]), SpawnError::NotExecutable, "EACCES"),
        (command(&[&garbage]), SpawnError::BadFormat, "ENOEXEC"),
        (command(&[&orphan]), SpawnError::InterpreterMissing, "ENOENT"),
        (command(&["true", &long]), SpawnError::ArgumentsTooLong, "E2BIG"),
        (ProcessSpec { cwd: "/no/such".into(), ..shell("") }, SpawnError::CwdMissing, "ENOENT"),
        (ProcessSpec { cwd: "/etc/passwd".into(), ..shell("") }, SpawnError::CwdForbidden, "ENOTDIR"),
        (
            ProcessSpec { identity: user(identity::User::UserName("nobody-here".into())), ..shell("") },
            SpawnError::NoSuchUser,
            "",
        ),
        (
            ProcessSpec { identity: group(identity::Group::GroupName("none-here".into())), ..shell("") },
            SpawnError::NoSuchGroup,
            "",
        ),
    ];
    for (spec, error, errno) in cases {
        let failure =
            channel.run(spec.clone()).await.failure.unwrap_or_else(|| panic!("{error:?} is no failure"));
        assert_eq!((failure.error(), failure.errno.as_str()), (error, errno), "{}", failure.message);
    }
    let ran = channel.run(shell("echo still well")).await;
    assert_eq!(ran.text(), "still well\n");
}

#[tokio::test]
async fn the_exit_tells_code_and_signal_and_cause() {
    let agent = Agent::start();
    let channel = agent.connect().await;
    let timeout =
        |script: &str, grace| ProcessSpec { timeout_ms: 150, kill_grace_ms: Some(grace), ..shell(script) };
    let cases = [
        (shell("exit 0"), (Some(0), None), ExitCause::Own),
        (shell("exit 255"), (Some(255), None), ExitCause::Own),
        (shell("kill -TERM $$"), (None, Some(15)), ExitCause::Own),
        (shell("kill -KILL $$"), (None, Some(9)), ExitCause::Own),
        (shell("kill -SEGV $$"), (None, Some(11)), ExitCause::Own),
        (timeout("sleep 60", 5000), (None, Some(15)), ExitCause::TimedOut),
        (timeout("trap '' TERM; sleep 60 & wait; sleep 60", 100), (None, Some(9)), ExitCause::TimedOut),
        (timeout("trap 'exit 3' TERM; sleep 60 & wait", 5000), (Some(3), None), ExitCause::TimedOut),
        (timeout("sleep 60", 0), (None, Some(9)), ExitCause::TimedOut),
        (timeout("kill -STOP $$", 5000), (None, Some(15)), ExitCause::TimedOut),
    ];
    for (spec, ending, cause) in cases {
        let script = spec.argv[2].clone();
        let ran = channel.run(spec).await;
        assert_eq!(((ran.code(), ran.signal()), ran.cause()), (ending, cause), "{script}");
    }
}

#[tokio::test]
async fn a_timeout_ends_the_whole_group() {
    let agent = Agent::start();
    let channel = agent.connect().await;
    let script = "(trap '' TERM; sleep 60) & echo $!; wait";
    let spec = ProcessSpec { timeout_ms: 150, kill_grace_ms: Some(5000), ..shell(script) };
    let ran = channel.run(spec).await;
    let child: u32 = ran.text().trim().parse().unwrap();
    assert_eq!(ran.cause(), ExitCause::TimedOut);
    eventually("the child's end", || !is_alive(child)).await;
}

#[tokio::test]
async fn a_signal_reaches_the_group_or_the_leader_alone() {
    let agent = Agent::start();
    let channel = agent.connect().await;
    for (target, others_die) in [(SignalTarget::Group, true), (SignalTarget::Leader, false)] {
        let id = format!("{}", target as i32);
        begin(&channel, &id, shell("sleep 60 >/dev/null 2>&1 & echo $!; wait")).await;
        let mut stream = channel
            .processes()
            .attach(AttachRequest { id: id.clone(), ..AttachRequest::default() })
            .await
            .unwrap()
            .into_inner();
        let mut ran = Ran::default();
        while ran.stdout.is_empty() {
            ran.take(support::Carrier::event(stream.message().await.unwrap().unwrap()));
        }
        let child: u32 = ran.text().trim().parse().unwrap();
        let signal = Some(Signal { number: 15, target: target.into() });
        let answer = channel
            .processes()
            .signal_process(SignalProcessRequest { id: id.clone(), signal })
            .await
            .unwrap();
        assert!(answer.into_inner().delivered);
        while let Some(message) = stream.message().await.unwrap() {
            ran.take(support::Carrier::event(message));
        }
        assert_eq!((ran.signal(), ran.cause()), (Some(15), ExitCause::Signalled));
        if others_die {
            eventually("the child's end", || !is_alive(child)).await;
        } else {
            assert!(is_alive(child));
            std::process::Command::new("kill").arg(child.to_string()).status().unwrap();
        }
        let late = channel.processes().signal_process(SignalProcessRequest { id, signal }).await.unwrap();
        assert!(!late.into_inner().delivered);
    }
}

#[tokio::test]
async fn a_descendant_that_keeps_the_output_open_delays_nothing() {
    let agent = Agent::start();
    let channel = agent.connect().await;
    let begun = Instant::now();
    for script in ["sleep 30 & echo out", "(while :; do echo more; done) & echo $!"] {
        let ran = channel.run(shell(script)).await;
        assert!(ran.exit.unwrap().output_held);
        assert!(begun.elapsed() < Duration::from_secs(10));
        if let Ok(child) = ran.text().lines().next().unwrap().parse::<i32>() {
            std::process::Command::new("kill").arg(child.to_string()).status().unwrap();
        }
    }
}

#[tokio::test]
async fn a_terminal_has_a_size_and_one_stream_and_takes_ctrl_d() {
    let agent = Agent::start();
    let channel = agent.connect().await;
    let size = |rows, columns| TerminalSize { rows, columns };
    let terminal = |script: &str| ProcessSpec {
        terminal: Some(Terminal { size: Some(size(30, 100)), term: String::new() }),
        ..shell(script)
    };
    let ran = channel.run_with(terminal("stty size; echo $TERM; echo err >&2; tty"), &[]).await;
    assert!(ran.text().starts_with("30 100\r\nxterm-256color\r\nerr\r\n/dev/pts/"), "{}", ran.text());
    assert!(ran.stderr.is_empty());
    let requests =
        [part(ExecPart::Resize(size(40, 120))), stdin(b"typed\n"), part(ExecPart::StdinEnd(StdinEnd {}))];
    let ran = channel
        .run_with(terminal("stty -echo; read x; stty size; echo got $x; cat; echo over"), &requests)
        .await;
    assert!(ran.text().contains("40 120\r\ngot typed\r\nover"), "{}", ran.text());
    assert_eq!(ran.code(), Some(0));
}

#[tokio::test]
async fn a_terminals_last_words_are_not_lost() {
    let agent = Agent::start();
    let channel = agent.connect().await;
    for _ in 0..50 {
        let spec = ProcessSpec {
            terminal: Some(Terminal::default()),
            ..shell("head -c 5000 /dev/zero | tr '\\0' x; echo end")
        };
        let ran = channel.run(spec).await;
        assert_eq!(ran.stdout.len(), 5005);
        assert!(ran.text().ends_with("end\r\n"));
    }
}

#[tokio::test]
async fn the_environment_is_the_users_and_the_callers() {
    let agent = Agent::start();
    let channel = agent.connect().await;
    let env = [("EXTRA".to_owned(), "a b=c".to_owned())].into();
    let ran = channel
        .run(ProcessSpec {
            env,
            cwd: "/tmp".into(),
            umask: Some(0o077),
            ..shell("echo \"$HOME|$EXTRA|$PWD\"; umask; id -u")
        })
        .await;
    let home = std::env::var("HOME").unwrap_or_default();
    assert_eq!(ran.text(), format!("{home}|a b=c|/tmp\n0077\n{}\n", rustix::process::getuid().as_raw()));
    let ran = channel.run(ProcessSpec { clear_env: true, ..command(&["/usr/bin/env"]) }).await;
    assert_eq!(ran.text(), "");
}

#[tokio::test]
async fn root_starts_a_process_as_somebody_else() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can become another user");
        return;
    }
    let agent = Agent::start();
    let channel = agent.connect().await;
    let identity = Some(Identity {
        user: Some(identity::User::Uid(12345)),
        group: Some(identity::Group::Gid(23456)),
        supplementary_gids: vec![34567],
    });
    let ran = channel
        .run(ProcessSpec {
            identity,
            no_new_privileges: true,
            ..shell("id -u; id -g; id -G; grep NoNewPrivs /proc/self/status")
        })
        .await;
    assert_eq!(ran.text(), "12345\n23456\n23456 34567\nNoNewPrivs:\t1\n");
}

#[tokio::test]
async fn eight_hundred_execs_leave_nothing_behind() {
    let agent = Agent::start();
    let channel = agent.connect().await;
    let descriptors = || std::fs::read_dir(format!("/proc/{}/fd", agent.pid())).unwrap().count();
    let spec = || shell("head -c 20000 /dev/zero");
    for _ in 0..300 {
        channel.run(spec()).await;
    }
    let before = descriptors();
    for _ in 0..500 {
        assert_eq!(channel.run(spec()).await.stdout.len(), 20_000);
    }
    eventually("all descriptors closed", || descriptors() <= before).await;
    let status = std::fs::read_to_string(format!("/proc/{}/status", agent.pid())).unwrap();
    let resident: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    assert!(resident < 24 * 1024, "resident after 800 execs: {resident} kB");
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", agent.pid())).unwrap();
    assert_eq!(children, "");
}
