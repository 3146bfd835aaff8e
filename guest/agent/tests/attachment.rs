//! Processes that outlive a connection, and who attaches to them later, against a real agent.

mod support;

use kelpie_guest::api::{
    ExitCause, GetHealthRequest, OutputPolicy, ProcessSpec, StdinMode, WaitProcessRequest, WriteStdinRequest,
};

use support::{Agent, Channel, Ran, attach, begin, command, lines, shell, start};

#[tokio::test]
async fn a_process_outlives_its_connection_and_misses_nothing() {
    let agent = Agent::start();
    let (channel, task) = {
        let mut stream = tokio::net::UnixStream::connect(agent.socket()).await.unwrap();
        support::greet(&mut stream, 1).await;
        Channel::cuttable(stream).await
    };
    let script = "i=0; while [ $i -lt 50000 ]; do echo line $i; i=$((i+1)); done; exit 5";
    let spec = ProcessSpec { output_policy: OutputPolicy::Pause.into(), ..shell(script) };
    let request = tokio_stream::iter([start("job", spec.clone())]);
    let mut stream = channel.processes().exec(request).await.unwrap().into_inner();
    let mut first = Ran::default();
    while first.stdout.len() < 100_000 {
        first.take(support::Carrier::event(stream.message().await.unwrap().unwrap()));
    }
    task.abort();
    drop(stream);

    let channel = agent.connect().await;
    let again = begin(&channel, "job", spec).await;
    assert_eq!(again.pid, first.pid, "asking twice starts once");
    let rest = attach(&channel, "job", first.stdout.len() as u64).await;
    assert_eq!((rest.lost, rest.code()), (0, Some(5)));
    let expected = lines(50_000);
    let all = [first.stdout, rest.stdout].concat();
    assert_eq!(String::from_utf8(all).unwrap(), expected);
}

#[tokio::test]
async fn output_that_nobody_reads_gives_way_and_is_told_as_lost() {
    let agent = Agent::start();
    let channel = agent.connect().await;
    let spec = ProcessSpec { output_buffer_bytes: 64 * 1024, ..shell("head -c 1000000 /dev/zero; echo end") };
    begin(&channel, "talker", spec).await;
    let request = WaitProcessRequest { id: "talker".into() };
    let exit = channel.processes().wait_process(request).await.unwrap().into_inner().exit.unwrap();
    assert_eq!(exit.status, Some(kelpie_guest::api::exit::Status::Code(0)));
    let ran = attach(&channel, "talker", 0).await;
    assert_eq!(ran.lost + ran.stdout.len() as u64, 1_000_004);
    assert_eq!(ran.stdout.len(), 64 * 1024);
    assert!(ran.stdout.ends_with(b"end\n"));
}

#[tokio::test]
async fn a_paused_process_waits_for_its_reader() {
    let agent = Agent::start();
    let channel = agent.connect().await;
    let spec = ProcessSpec {
        output_buffer_bytes: 64 * 1024,
        output_policy: OutputPolicy::Pause.into(),
        ..shell("head -c 1000000 /dev/zero")
    };
    begin(&channel, "patient", spec).await;
    let ran = attach(&channel, "patient", 0).await;
    assert_eq!((ran.lost, ran.stdout.len(), ran.code()), (0, 1_000_000, Some(0)));
}

#[tokio::test]
async fn an_orphan_is_ended_and_says_so() {
    let agent = Agent::start();
    let channel = agent.connect().await;
    begin(&channel, "orphan", ProcessSpec { orphan_timeout_ms: 100, ..shell("sleep 60") }).await;
    let request = WaitProcessRequest { id: "orphan".into() };
    let exit = channel.processes().wait_process(request).await.unwrap().into_inner().exit.unwrap();
    assert_eq!(exit.cause(), ExitCause::Orphaned);
    let attended = channel.run(ProcessSpec { orphan_timeout_ms: 100, ..shell("sleep 0.4; echo here") }).await;
    assert_eq!(attended.text(), "here\n");
}

#[tokio::test]
async fn stdin_goes_on_over_another_connection_without_a_byte_twice() {
    let agent = Agent::start();
    let channel = agent.connect().await;
    let spec = ProcessSpec { stdin: StdinMode::Pipe.into(), ..command(&["cat"]) };
    begin(&channel, "cat", spec).await;
    let write = |offset, data: &'static [u8], end| WriteStdinRequest {
        id: "cat".into(),
        offset,
        data: data.into(),
        end,
    };
    let send = async |channel: &Channel, request| {
        channel.processes().write_stdin(tokio_stream::iter([request])).await
    };
    let accepted = send(&channel, write(Some(0), b"hello ", false)).await.unwrap().into_inner();
    assert_eq!((accepted.accepted_bytes, accepted.open), (6, true));
    let other = agent.connect().await;
    let gap = send(&other, write(Some(7), b"x", false)).await.unwrap_err();
    assert_eq!(gap.code(), tonic::Code::OutOfRange);
    let accepted = send(&other, write(Some(3), b"lo world", true)).await.unwrap().into_inner();
    assert_eq!((accepted.accepted_bytes, accepted.open), (11, false));
    assert_eq!(attach(&other, "cat", 0).await.text(), "hello world");
}

#[tokio::test]
async fn a_process_that_pauses_for_a_reader_who_never_comes_is_ended_and_forgotten() {
    let agent = Agent::start();
    let channel = agent.connect().await;
    let spec = ProcessSpec {
        output_policy: OutputPolicy::Pause.into(),
        orphan_timeout_ms: 200,
        kill_grace_ms: Some(50),
        ..command(&["cat", "/dev/zero"])
    };
    begin(&channel, "unread", spec).await;
    let request = WaitProcessRequest { id: "unread".into() };
    let exit = channel.processes().wait_process(request).await.unwrap().into_inner().exit.unwrap();
    assert_eq!(exit.cause(), ExitCause::Orphaned);
    let deadline = std::time::Instant::now() + support::DEADLINE;
    loop {
        let health = channel.agent().get_health(GetHealthRequest {}).await.unwrap().into_inner();
        if health.processes_running == 0 && health.idle_ms > 0 {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "{} still run", health.processes_running);
        tokio::task::yield_now().await;
    }
}
