//! A process is started at most once, and its end is told however late it is asked for: against a real agent.

mod support;

use kelpie_guest::api::exec_request::Request as ExecPart;
use kelpie_guest::api::{
    ExecRequest, GetInfoRequest, PrepareSnapshotRequest, ProcessSpec, ResumeRequest, Signal,
    SignalProcessRequest, StartProcessRequest, WaitProcessRequest, WriteStdinRequest, exit,
};
use std::path::PathBuf;
use support::{Agent, Channel, attach, begin, shell};
use tokio::io::AsyncWriteExt;
use tonic::{Code, Status};

async fn instance(channel: &Channel) -> String {
    channel.agent().get_info(GetInfoRequest {}).await.unwrap().into_inner().instance_id
}

/// A file that has a line for each time the process ran, and the process.
fn counted(agent: &Agent, name: &str) -> (PathBuf, ProcessSpec) {
    let book = agent.directory.join(name);
    let spec = shell(&format!("echo ran >>{}; exit 3", book.display()));
    (book, spec)
}

fn times(book: &PathBuf) -> usize {
    std::fs::read_to_string(book).unwrap_or_default().lines().count()
}

fn request(id: &str, spec: &ProcessSpec, instance_id: &str) -> StartProcessRequest {
    StartProcessRequest { id: id.into(), spec: Some(spec.clone()), instance_id: instance_id.into() }
}

fn is_refused_by(status: &Status, own: &str) -> bool {
    let named = status.metadata().get("kelpie-instance").map(|value| value.to_str().unwrap());
    status.code() == Code::FailedPrecondition && named == Some(own)
}

#[tokio::test]
async fn what_is_meant_for_another_instance_is_not_started() {
    let (agent, dead) = (Agent::start(), Agent::start());
    let channel = agent.connect().await;
    let (own, other) = (instance(&channel).await, instance(&dead.connect().await).await);
    drop(dead);
    let (book, spec) = counted(&agent, "book");

    let status = channel.processes().start_process(request("job", &spec, &other)).await.unwrap_err();
    assert!(is_refused_by(&status, &own), "{status:?}");
    let start = ExecRequest { request: Some(ExecPart::Start(request("job", &spec, &other))) };
    let status = channel.processes().exec(tokio_stream::iter([start])).await.map(|_| ()).unwrap_err();
    assert!(is_refused_by(&status, &own), "{status:?}");
    assert_eq!(times(&book), 0);

    channel.processes().start_process(request("job", &spec, &own)).await.unwrap();
    assert_eq!(attach(&channel, "job", 0).await.code(), Some(3));
    channel.processes().start_process(request("job", &spec, &own)).await.unwrap();
    // Whoever finds its process there need not be told that the agent goes by another name by now.
    channel.processes().start_process(request("job", &spec, &other)).await.unwrap();
    assert_eq!(times(&book), 1);
}

#[tokio::test]
async fn a_resumed_guest_does_not_start_what_the_one_before_was_asked_for() {
    let agent = Agent::start();
    let before = instance(&agent.connect().await).await;
    let prepare = PrepareSnapshotRequest { keep_running: true };
    agent.connect().await.system().prepare_snapshot(prepare).await.unwrap();
    let channel = agent.connect().await;
    let after = channel.system().resume(ResumeRequest::default()).await.unwrap().into_inner().instance_id;
    let (book, spec) = counted(&agent, "book");
    let status = channel.processes().start_process(request("job", &spec, &before)).await.unwrap_err();
    assert!(is_refused_by(&status, &after), "{status:?}");
    assert_eq!(times(&book), 0);
    channel.processes().start_process(request("job", &spec, &after)).await.unwrap();
    assert_eq!(attach(&channel, "job", 0).await.code(), Some(3));
}

#[tokio::test]
async fn the_handshake_tells_the_instance() {
    let agent = Agent::start();
    let own = instance(&agent.connect().await).await;
    let mut stream = tokio::net::UnixStream::connect(agent.socket()).await.unwrap();
    stream.write_all(format!("KELPIE-HELLO 1 {:032x}\n", 5).as_bytes()).await.unwrap();
    let answer = format!("KELPIE-INSTANCE {own}\nKELPIE-READY 1 {:032x}\n", 5);
    let mut received = vec![0; answer.len()];
    tokio::io::AsyncReadExt::read_exact(&mut stream, &mut received).await.unwrap();
    assert_eq!(String::from_utf8(received).unwrap(), answer);
}

#[tokio::test]
async fn an_end_is_told_after_hundreds_of_others_and_its_id_starts_nothing() {
    let agent = Agent::start();
    let channel = agent.connect().await;
    let (book, spec) = counted(&agent, "book");
    let spec = ProcessSpec {
        argv: [&spec.argv[..2], &[format!("printf 12345; {}", spec.argv[2])]].concat(),
        ..spec
    };
    let first = begin(&channel, "first", spec.clone()).await;
    assert_eq!(attach(&channel, "first", 0).await.text(), "12345");
    for _ in 0..300 {
        channel.run(shell("exit 0")).await;
    }
    let listed = channel.processes().list_processes(kelpie_guest::api::ListProcessesRequest::default()).await;
    assert!(listed.unwrap().into_inner().processes.iter().all(|process| process.id != "first"));

    let all_read = attach(&channel, "first", 5).await;
    assert_eq!((all_read.code(), all_read.lost, all_read.pid), (Some(3), 0, first.pid));
    assert_eq!(attach(&channel, "first", 2).await.lost, 3);
    let again = begin(&channel, "first", spec).await;
    assert_eq!((again.pid, again.exit.unwrap().status), (first.pid, Some(exit::Status::Code(3))));
    let wait = WaitProcessRequest { id: "first".into() };
    let exit = channel.processes().wait_process(wait).await.unwrap().into_inner().exit.unwrap();
    assert_eq!(exit.status, Some(exit::Status::Code(3)));
    let signal = Some(Signal { number: 9, target: 0 });
    let kill = SignalProcessRequest { id: "first".into(), signal };
    assert!(!channel.processes().signal_process(kill).await.unwrap().into_inner().delivered);
    let write = WriteStdinRequest { id: "first".into(), data: "x".into(), ..Default::default() };
    assert!(!channel.processes().write_stdin(tokio_stream::iter([write])).await.unwrap().into_inner().open);
    assert_eq!(times(&book), 1);
}
