//! What a session promises: its handshake, its end, and what one session can do to another.

mod support;

use kelpie_guest::api::{
    GetHealthRequest, GetInfoRequest, PingRequest, WatchEventsRequest, watch_events_response,
};
use std::time::{Duration, Instant};
use support::{Agent, Channel, DEADLINE, greet, read_until, shell};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

async fn connect(agent: &Agent) -> UnixStream {
    UnixStream::connect(agent.socket()).await.unwrap()
}

async fn ping(channel: &Channel) {
    let request = PingRequest { payload: vec![7; 1000].into() };
    let answer =
        tokio::time::timeout(DEADLINE, channel.agent().ping(request)).await.expect("an answer in time");
    assert_eq!(answer.unwrap().into_inner().payload, vec![7; 1000]);
}

#[tokio::test]
async fn stale_bytes_before_a_hello_are_thrown_away() {
    let agent = Agent::start();
    let noise =
        [&b"\0\x01stale"[..], PREFACE, b"KELPIE-HELLO 1 00", b"KELPIE-HELLO 2 00\n", &[b'K'; 100]].concat();
    let mut stream = connect(&agent).await;
    stream.write_all(&noise).await.unwrap();
    greet(&mut stream, 5).await;
    ping(&Channel::over(stream).await).await;
}

#[tokio::test]
async fn only_the_latest_of_several_hellos_counts() {
    let agent = Agent::start();
    let mut stream = connect(&agent).await;
    for nonce in 0..5 {
        stream.write_all(format!("KELPIE-HELLO 1 {nonce:032x}\n").as_bytes()).await.unwrap();
    }
    read_until(&mut stream, format!("KELPIE-READY 1 {:032x}\n", 4).as_bytes()).await;
    ping(&Channel::over(stream).await).await;
}

#[tokio::test]
async fn a_hello_in_the_middle_of_a_session_starts_another() {
    let agent = Agent::start();
    // A frame of 1000 bytes, of which 100 come: what follows looks like its rest.
    let cut_frame = [&[0, 3, 232, 0, 0, 0, 0, 0, 1][..], &[1; 100]].concat();
    let cuts: [&[u8]; 6] =
        [b"", PREFACE, &PREFACE[..10], &[0, 0, 0], &cut_frame, b"garbage that is no HTTP/2 at all"];
    for (index, cut) in cuts.into_iter().enumerate() {
        let mut stream = connect(&agent).await;
        greet(&mut stream, 1).await;
        if index >= 3 {
            let settings = [PREFACE, &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat();
            stream.write_all(&settings).await.unwrap();
        }
        stream.write_all(cut).await.unwrap();
        let begun = Instant::now();
        // As a host does: again after half a second.
        let mut nonce = 100;
        loop {
            nonce += 1;
            let answer = tokio::time::timeout(Duration::from_millis(500), greet(&mut stream, nonce)).await;
            if answer.is_ok() {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(5), "cut {index}");
        }
        ping(&Channel::over(stream).await).await;
    }
}

#[tokio::test]
async fn a_hello_in_a_payload_ends_nothing() {
    let agent = Agent::start();
    let channel = agent.connect().await;
    let hello = format!("KELPIE-HELLO 1 {:032x}\n", 9);
    let payload: bytes::Bytes = hello.repeat(500).into_bytes().into();
    for _ in 0..20 {
        let answer = channel.agent().ping(PingRequest { payload: payload.clone() }).await.unwrap();
        assert_eq!(answer.into_inner().payload, payload);
    }
}

#[tokio::test]
async fn a_stuck_session_holds_up_no_other() {
    let agent = Agent::start();
    let stuck = agent.connect().await;
    // Streams that are never read: their processes wait, and hold memory up to their bounds.
    let mut held = Vec::new();
    for _ in 0..20 {
        let request = tokio_stream::iter([support::start("", shell("yes"))]);
        held.push(stuck.processes().exec(request).await.unwrap());
    }
    let mut half_greeted = connect(&agent).await;
    half_greeted.write_all(b"KELPIE-HELLO 1 ").await.unwrap();
    let channel = agent.connect().await;
    for _ in 0..50 {
        ping(&channel).await;
    }
    assert_eq!(channel.run(shell("echo fine")).await.text(), "fine\n");
    let health = channel.agent().get_health(GetHealthRequest {}).await.unwrap().into_inner();
    assert_eq!((health.processes_running, health.sessions), (20, 2));
    assert!(health.agent_resident_bytes < 64 << 20, "{}", health.agent_resident_bytes);
}

#[tokio::test]
async fn an_idle_agent_uses_no_time() {
    let agent = Agent::start();
    let channel = agent.connect().await;
    ping(&channel).await;
    let ticks = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", agent.pid())).unwrap();
        let fields: Vec<u64> = stat
            .rsplit(") ")
            .next()
            .unwrap()
            .split(' ')
            .skip(11)
            .take(2)
            .map(|n| n.parse().unwrap())
            .collect();
        fields.iter().sum::<u64>()
    };
    let before = ticks();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(ticks() - before <= 1);
}

#[tokio::test]
async fn information_and_health_are_told() {
    let agent = Agent::start();
    let channel = agent.connect().await;
    let info = channel.agent().get_info(GetInfoRequest {}).await.unwrap().into_inner();
    assert_eq!(info.agent_version, env!("CARGO_PKG_VERSION"));
    assert_eq!(info.kernel_release, std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap().trim());
    assert_eq!(info.instance_id.len(), 32);
    assert!(info.features.contains(&"pidfd".to_owned()));
    let health = channel.agent().get_health(GetHealthRequest {}).await.unwrap().into_inner();
    let memory = health.memory.unwrap();
    assert!(memory.available_bytes > 0 && memory.available_bytes < memory.total_bytes);
    assert_eq!(memory.total_bytes, info.memory_total_bytes);
    assert!(health.disks.iter().any(|disk| disk.mount_point == "/"));
    assert_eq!(health.load_milli.len(), 3);
}

#[tokio::test]
async fn events_are_told_from_a_given_one_on() {
    let agent = Agent::start();
    let channel = agent.connect().await;
    let first = channel.run(shell("true")).await;
    let request = WatchEventsRequest { after: Some(0) };
    let mut events = channel.agent().watch_events(request).await.unwrap().into_inner();
    let second = channel.run(shell("true")).await;
    let mut ended = Vec::new();
    while ended.len() < 2 {
        let message = tokio::time::timeout(DEADLINE, events.message()).await.unwrap().unwrap().unwrap();
        if let watch_events_response::Event::ProcessEnded(process) = message.event.unwrap() {
            ended.push((message.number, process.id));
        }
    }
    assert_eq!(ended, [(1, first.id), (2, second.id)]);
}

#[tokio::test]
async fn reflection_names_every_service() {
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
    let agent = Agent::start();
    let channel = agent.connect().await;
    let request = tonic_reflection::pb::v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = ServerReflectionClient::new(channel);
    let mut answers =
        client.server_reflection_info(tokio_stream::iter([request])).await.unwrap().into_inner();
    let Some(MessageResponse::ListServicesResponse(list)) =
        answers.message().await.unwrap().unwrap().message_response
    else {
        panic!("no list of services");
    };
    let names: Vec<String> = list.service.into_iter().map(|service| service.name).collect();
    for service in ["AgentService", "ProcessService", "FileService", "SystemService"] {
        assert!(names.contains(&format!("kelpie.agent.v1.{service}")), "{names:?}");
    }
}

#[tokio::test]
async fn sessions_cut_at_any_byte_lose_no_exit() {
    let agent = Agent::start();
    let mut state = 0x0bad_cafe_u32;
    for round in 0..60 {
        let mut stream = connect(&agent).await;
        greet(&mut stream, round).await;
        let (channel, task) = Channel::cuttable(stream).await;
        let id = format!("round{round}");
        let request = tokio_stream::iter([support::start(&id, shell("echo one; echo two; exit 9"))]);
        let call = tokio::spawn({
            let channel = channel.clone();
            async move { channel.processes().exec(request).await.map(|_| ()) }
        });
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        tokio::time::sleep(Duration::from_micros(u64::from(state >> 20))).await;
        task.abort();
        let _ = call.await;

        // The same request again: whether the first came through or not, it runs once, and to the same end.
        let channel = agent.connect().await;
        let request = tokio_stream::iter([support::start(&id, shell("echo one; echo two; exit 9"))]);
        let events = channel.processes().exec(request).await.unwrap().into_inner();
        let ran = support::collect(events).await.unwrap();
        assert_eq!((ran.text().as_str(), ran.code()), ("one\ntwo\n", Some(9)));
    }
}
