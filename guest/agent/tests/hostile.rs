//! Bytes that no host and no archive would send: whatever comes, the agent goes on, in time and in bounds.

#[path = "support/noise.rs"]
mod noise;
mod support;

use kelpie_guest::api::ImportTarOpen;
use kelpie_guest::api::import_tar_request::Part;
use kelpie_guest::api::{ImportTarRequest, PingRequest};
use noise::Noise;
use std::time::{Duration, Instant};
use support::{Agent, DEADLINE};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

impl Noise {
    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.byte()).collect()
    }

    /// Changes, removes, repeats or adds something, a few times.
    fn damage(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len().max(1));
            let length = self.below(bytes.len().saturating_sub(at).max(1));
            match self.below(4) {
                _ if bytes.is_empty() => bytes.push(0),
                0 => bytes[at] ^= 1 << self.below(8),
                1 => drop(bytes.drain(at..at + length)),
                2 => bytes.extend_from_within(at..at + length),
                _ => {
                    let count = self.below(40);
                    let noise = self.bytes(count);
                    bytes.splice(at..at, noise);
                }
            }
        }
    }
}

/// How long each of these goes on, and how many rounds it has on a machine that is busy.
const TIME: Duration = Duration::from_secs(3);
const LEAST_ROUNDS: u32 = 30;

const HELLO: &[u8] = b"KELPIE-HELLO 1 0123456789abcdef0123456789abcdef\n";
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

#[tokio::test]
async fn sessions_of_damaged_bytes_end_by_themselves_and_leave_nothing() {
    let agent = Agent::start();
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    let end = Instant::now() + TIME;
    let mut rounds = 0;
    while Instant::now() < end || rounds < LEAST_ROUNDS {
        rounds += 1;
        let mut bytes = HELLO.to_vec();
        bytes.extend_from_slice(PREFACE);
        for _ in 0..noise.below(6) {
            // A frame of any kind and any content, most of them of a length that is true.
            let length = noise.below(300);
            let told = if noise.below(5) == 0 { noise.below(1 << 24) } else { length };
            bytes.extend_from_slice(&u32::try_from(told).unwrap().to_be_bytes()[1..]);
            bytes.extend([u8::try_from(noise.below(12)).unwrap(), noise.byte(), 0, 0, 0, 1]);
            bytes.extend(noise.bytes(length));
        }
        if noise.below(2) == 0 {
            noise.damage(&mut bytes);
        }
        let mut stream = UnixStream::connect(agent.socket()).await.unwrap();
        // The agent may have ended the session before it has read all.
        let _ = stream.write_all(&bytes).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let ended = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut answer)).await;
        assert!(ended.is_ok(), "round {rounds}: the agent holds a session that is over");
    }
    let channel = agent.connect().await;
    channel.agent().ping(PingRequest { payload: "still there".into() }).await.unwrap();
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", agent.pid())).unwrap().count();
    assert!(descriptors < 30, "{descriptors} descriptors are open");
}

/// An archive of everything that the receiver knows, made by GNU tar; none where there is no such program.
fn archive() -> Option<Vec<u8>> {
    let directory = std::env::temp_dir().join(format!("kelpie-hostile-{}", std::process::id()));
    std::fs::create_dir_all(directory.join("sub")).unwrap();
    std::fs::write(directory.join("sub/file"), [7; 3000]).unwrap();
    std::fs::write(directory.join("x".repeat(150)), "long name").unwrap();
    std::os::unix::fs::symlink("sub/file", directory.join("link")).unwrap();
    std::fs::hard_link(directory.join("sub/file"), directory.join("hard")).unwrap();
    let sparse = std::fs::File::create(directory.join("sparse")).unwrap();
    sparse.set_len(100_000).unwrap();
    let made = std::process::Command::new("tar")
        .args(["--create", "--sparse", "--format=pax", "--directory"])
        .arg(&directory)
        .arg(".")
        .output();
    std::fs::remove_dir_all(&directory).unwrap();
    made.ok().filter(|made| made.status.success()).map(|made| made.stdout)
}

#[tokio::test]
async fn damaged_archives_are_refused_or_unpacked_and_nothing_is_made_outside() {
    let Some(sound) = archive() else {
        eprintln!("skipped: there is no GNU tar");
        return;
    };
    let agent = Agent::start();
    let channel = agent.connect().await;
    let outer = agent.directory.join("outer");
    let root = outer.join("root");
    let mut noise = Noise(0x2545_f491_4f6c_dd1d);
    let end = Instant::now() + TIME;
    let (mut refused, mut taken) = (0, 0);
    while Instant::now() < end || refused + taken < LEAST_ROUNDS {
        std::fs::create_dir_all(&root).unwrap();
        let mut bytes = sound.clone();
        if taken > 0 {
            noise.damage(&mut bytes);
        }
        if taken > 0 && noise.below(3) == 0 {
            // Names that lead out, where a header's name stands.
            let block = noise.below(bytes.len() / 512) * 512;
            bytes.splice(block..block, *b"../escaped\0");
        }
        let open = ImportTarOpen {
            root: root.to_str().unwrap().to_owned(),
            max_entries: 1000,
            max_bytes: 10 << 20,
            no_sync: true,
            ..Default::default()
        };
        let chunks = bytes.chunks(60_000).map(|chunk| Part::Data(chunk.to_vec().into())).collect::<Vec<_>>();
        let parts = std::iter::once(Part::Open(open)).chain(chunks);
        let requests = parts.map(|part| ImportTarRequest { part: Some(part) }).collect::<Vec<_>>();
        let mut files = channel.files();
        let call = files.import_tar(tokio_stream::iter(requests));
        match tokio::time::timeout(DEADLINE, call).await.expect("an answer in time") {
            Ok(_) => taken += 1,
            Err(_) => refused += 1,
        }
        let outside: Vec<_> = std::fs::read_dir(&outer).unwrap().flatten().map(|e| e.file_name()).collect();
        assert_eq!(outside, ["root"], "something was made outside");
        // What was unpacked may have any mode.
        let removed = std::process::Command::new("rm").arg("-rf").arg(&root).status().unwrap();
        assert!(removed.success());
    }
    assert!(refused > 5 && taken > 0, "{refused} refused, {taken} taken");
}
