//! Fuzz targets: the parsers of what hosts send, in this process. Deterministic; `npm run fuzz` gives them longer, by
//! `KELPIE_FUZZ_SECONDS`, and reads what came of it from `runs.jsonl` in `KELPIE_FUZZ_OUTPUT`.

#[path = "support/noise.rs"]
mod noise;

use kelpie_guest::api;
use kelpie_guest::file::tar::pax;
use kelpie_guest::file::tar::unpack::{Options, Unpacker};
use kelpie_guest::process::{plan::plan, users::Users};
use kelpie_guest::session::hello::{HELLO_LEN, HelloScanner};
use kelpie_guest::session::watch::{FrameWatch, Verdict};
use kelpie_guest::system::{mount, network};
use noise::Noise;
use prost::Message;
use rustix::fs::{CWD, Mode, OFlags, openat};
use std::fmt::Write as _;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

const LEAST_RUNS: u32 = 500;
const LONGEST: Duration = Duration::from_secs(5);

impl Noise {
    /// One of the corpus, with a few changes of any kind.
    fn mutate(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = corpus[self.below(corpus.len())].clone();
        for _ in 0..=self.below(5) {
            let at = self.below(bytes.len());
            let length = self.below((bytes.len() - at).min(600));
            match self.below(6) {
                _ if bytes.is_empty() => bytes.push(self.byte()),
                0 => bytes[at] ^= 1 << self.below(8),
                1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff, b'0', b'7', b'9', b'/', b'\n'][self.below(10)],
                2 => drop(bytes.drain(at..at + length)),
                3 => bytes.extend_from_within(at..at + length),
                4 => {
                    let other = &corpus[self.below(corpus.len())];
                    let from = self.below(other.len());
                    let piece = other[from..other.len().min(from + 600)].to_vec();
                    bytes.splice(at..at, piece);
                }
                _ => {
                    let noise: Vec<u8> = (0..self.below(20)).map(|_| self.byte()).collect();
                    bytes.splice(at..at, noise);
                }
            }
        }
        bytes.truncate(200_000);
        bytes
    }

    /// Cuts bytes into pieces.
    fn cut<'a>(&mut self, mut bytes: &'a [u8]) -> Vec<&'a [u8]> {
        let longest = [1, 3, 100, 5000, 100_000][self.below(5)];
        let mut pieces = Vec::new();
        while !bytes.is_empty() {
            let (piece, rest) = bytes.split_at((1 + self.below(longest)).min(bytes.len()));
            pieces.push(piece);
            bytes = rest;
        }
        pieces
    }
}

/// Gives mutations of a corpus to `run`, which says whether an input was taken. What panics is kept and named.
fn fuzz(name: &str, corpus: &[Vec<u8>], mut run: impl FnMut(&[u8], &mut Noise) -> bool) {
    let variable = |name: &str| std::env::var(format!("KELPIE_FUZZ_{name}")).ok();
    let output = variable("OUTPUT");
    let record = |executions: u32, seconds: f64, accepted: u32| {
        let Some(output) = &output else { return };
        let refused = executions - accepted;
        let line = format!(
            "{{\"name\":\"{name}\",\"executions\":{executions},\"seconds\":{seconds:.3},\"accepted\":{accepted},\"refused\":{refused}}}\n"
        );
        let mut options = std::fs::OpenOptions::new();
        let file = options.create(true).append(true).open(Path::new(output).join("runs.jsonl"));
        file.unwrap().write_all(line.as_bytes()).unwrap();
    };
    if variable("LIST").is_some() {
        return record(0, 0.0, 0);
    }
    if variable("ONLY").is_some_and(|only| only != name) {
        return;
    }
    let replayed = variable("REPLAY").map(|path| std::fs::read(path).unwrap());
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    let seconds: f64 = variable("SECONDS").and_then(|text| text.parse().ok()).unwrap_or(0.0);
    let begun = Instant::now();
    let (mut executions, mut accepted) = (0, 0);
    while executions < LEAST_RUNS || begun.elapsed().as_secs_f64() < seconds {
        let input = match &replayed {
            Some(input) => input.clone(),
            None => match corpus.get(executions as usize) {
                Some(sound) => sound.clone(),
                None => noise.mutate(corpus),
            },
        };
        let since = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(|| run(&input, &mut noise)));
        let took = since.elapsed();
        if result.is_err() || took > LONGEST {
            let hex = input.iter().take(4096).fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            });
            let path = output.as_ref().filter(|_| replayed.is_none()).map(|output| {
                let path = format!("{output}/{}-{executions}.bin", name.replace([' ', ':'], "-"));
                std::fs::write(&path, &input).unwrap();
                format!("{path}: ")
            });
            eprintln!(
                "The parser of \"{name}\" fails on {} bytes: {}{hex}",
                input.len(),
                path.unwrap_or_default()
            );
            if let Err(cause) = result {
                resume_unwind(cause);
            }
            panic!("{} ms for one input", took.as_millis());
        }
        executions += 1;
        accepted += u32::from(result.is_ok_and(|taken| taken));
        if replayed.is_some() {
            return;
        }
    }
    record(executions, begun.elapsed().as_secs_f64(), accepted);
    assert!(
        accepted > 0 && accepted < executions,
        "{accepted} of {executions} were taken: this tests nothing"
    );
}

const HELLO: &[u8] = b"KELPIE-HELLO 1 0123456789abcdef0123456789abcdef\n";
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Every hello, as whoever has all the bytes finds it: the scanner's answer, found otherwise.
fn hellos(bytes: &[u8]) -> Vec<usize> {
    let is_hello = |at: &usize| {
        let window = &bytes[*at..*at + HELLO_LEN];
        let (prefix, rest) = window.split_at(15);
        let (nonce, end) = rest.split_at(32);
        let digit = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
        prefix == b"KELPIE-HELLO 1 " && nonce.iter().all(digit) && end == b"\n"
    };
    (0..(bytes.len() + 1).saturating_sub(HELLO_LEN)).filter(is_hello).map(|at| at + HELLO_LEN).collect()
}

#[test]
fn a_handshake_is_found_wherever_it_stands_and_however_it_is_cut() {
    let corpus =
        [HELLO.to_vec(), b"KELPIE-HELLO 2 0123\0\xff".to_vec(), [b"noise", HELLO, PREFACE, HELLO].concat()];
    fuzz("guest handshake", &corpus, |input, noise| {
        let mut scanner = HelloScanner::default();
        let mut found = Vec::new();
        let mut offset = 0;
        for mut piece in noise.cut(input) {
            while !piece.is_empty() {
                let (taken, nonce) = scanner.push(piece);
                assert!(taken > 0 && taken <= piece.len());
                offset += taken;
                piece = &piece[taken..];
                if nonce.is_some() {
                    found.push(offset);
                }
            }
        }
        assert_eq!(found, hellos(input));
        !found.is_empty()
    });
}

#[test]
fn a_sessions_end_is_seen_at_the_same_byte_however_it_is_cut() {
    let settings = [PREFACE, &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat();
    let frame = [settings.as_slice(), &[0, 0, 60, 0, 0, 0, 0, 0, 1], &[7; 60]].concat();
    let corpus = [
        settings.clone(),
        frame.clone(),
        [frame.as_slice(), HELLO].concat(),
        [&settings, &[0, 3, 232, 0, 0, 0, 0, 0, 1][..], HELLO, HELLO].concat(),
    ];
    fuzz("guest frames", &corpus, |input, noise| {
        let end = |pieces: &[&[u8]]| {
            let (mut watch, mut offset) = (FrameWatch::default(), 0);
            for piece in pieces {
                match watch.push(piece) {
                    Verdict::Over(index) => return Some(offset + index),
                    Verdict::Suspect => assert_eq!(hellos(watch.suspected_hello()), [HELLO_LEN]),
                    Verdict::Session => {}
                }
                offset += piece.len();
            }
            None
        };
        let whole = end(&[input]);
        assert_eq!(end(&noise.cut(input)), whole);
        whole.is_none()
    });
}

#[test]
fn a_request_of_any_content_is_checked_without_harm() {
    let spec = api::ProcessSpec {
        argv: vec!["sh".into(), "-c".into(), "true".into()],
        env: [("NAME".to_owned(), "value".to_owned())].into(),
        cwd: "/tmp".into(),
        rlimits: vec![api::ResourceLimit { resource: 7, soft: 3, hard: 4 }],
        limits: Some(api::Limits { memory_max_bytes: 1 << 20, ..Default::default() }),
        terminal: Some(api::Terminal::default()),
        identity: Some(api::Identity {
            user: Some(api::identity::User::UserName("root".into())),
            group: Some(api::identity::Group::Gid(7)),
            supplementary_gids: vec![1, 2],
        }),
        umask: Some(0o22),
        ..Default::default()
    };
    let interface = api::NetworkInterface {
        name: "eth0".into(),
        mac: "02:00:00:00:00:07".into(),
        addresses: vec!["10.0.0.1/24".into(), "fd00::1/64".into()],
        gateways: vec!["10.0.0.2".into()],
        mtu: 1400,
    };
    let settings = api::Network {
        interfaces: vec![interface],
        name_servers: vec!["10.0.0.3".into()],
        search_domains: vec!["a.b".into()],
    };
    let order = api::MountRequest {
        source: Some(api::mount_request::Source::NinepTag("tag".into())),
        target: "/mnt".into(),
        options: "a=b".into(),
        ..Default::default()
    };
    let corpus = [spec.encode_to_vec(), settings.encode_to_vec(), order.encode_to_vec()];
    fuzz("guest requests", &corpus, |input, _| {
        let spec = api::ProcessSpec::decode(input).is_ok_and(|spec| plan(&spec, &Users::default()).is_ok());
        let network = api::Network::decode(input).is_ok_and(|wanted| network::settings(&wanted).is_ok());
        let mount = api::MountRequest::decode(input).is_ok_and(|request| mount::order(request).is_ok());
        // Whatever else a host may send first.
        let _ = api::ExecRequest::decode(input);
        let _ = api::WriteFileRequest::decode(input);
        let _ = api::ImportTarRequest::decode(input);
        spec || network || mount
    });
}

#[test]
fn pax_records_of_any_content_are_read_or_refused() {
    let corpus = [
        b"30 mtime=1700000000.123456789\n11 path=abc\n".to_vec(),
        b"12 uid=1000\n12 gid=1000\n20 linkpath=abcdefgh\n".to_vec(),
        b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n29 GNU.sparse.realsize=100000\n".to_vec(),
        b"32 GNU.sparse.map=0,10,100,10,200\n31 SCHILY.xattr.user.name=value\n".to_vec(),
    ];
    fuzz("guest pax", &corpus, |input, _| pax::parse(input, &mut pax::Records::default()).is_ok());
}

/// A ustar header with its checksum, and content after it.
fn entry(name: &[u8], kind: u8, link: &[u8], content: &[u8]) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[..name.len()].copy_from_slice(name);
    block[100..107].copy_from_slice(b"0000644");
    block[108..115].copy_from_slice(b"0000000");
    block[116..123].copy_from_slice(b"0000000");
    block[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
    block[136..147].copy_from_slice(b"14000000000");
    block[156] = kind;
    block[157..157 + link.len()].copy_from_slice(link);
    block[257..265].copy_from_slice(b"ustar\x0000");
    seal(&mut block);
    block.extend_from_slice(content);
    block.resize(block.len().next_multiple_of(512), 0);
    block
}

/// Makes a header's checksum right.
fn seal(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum: u32 = block[..512].iter().map(|byte| u32::from(*byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
}

#[test]
fn an_archive_of_any_content_is_unpacked_or_refused_and_makes_nothing_outside() {
    let outer = std::env::temp_dir().join(format!("kelpie-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&outer).unwrap();
    let sparse = [&b"2\n0\n4\n1000\n4\n"[..], &[0; 499], b"datadata"].concat();
    let sparse_records = b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n27 GNU.sparse.realsize=2000\n";
    let parts = [
        entry(b"dir/", b'5', b"", b""),
        entry(b"dir/file", b'0', b"", &[7; 700]),
        entry(b"link", b'2', b"dir/file", b""),
        entry(b"hard", b'1', b"dir/file", b""),
        entry(b"fifo", b'6', b"", b""),
        entry(b"out", b'2', b"..", b""),
        entry(b"out/escaped", b'0', b"", b"x"),
        entry(b"../escaped", b'0', b"", b"x"),
        [entry(b"x", b'x', b"", b"13 path=a/b/c\n"), entry(b"short", b'0', b"", b"long name")].concat(),
        [entry(b"x", b'L', b"", &[b'l'; 150]), entry(b"short", b'0', b"", b"x")].concat(),
        [entry(b"x", b'x', b"", sparse_records), entry(b"sparse", b'0', b"", &sparse)].concat(),
    ];
    let corpus: Vec<Vec<u8>> = parts.iter().cloned().chain([parts.concat()]).collect();
    fuzz("guest tar", &corpus, |input, noise| {
        let mut input = input.to_vec();
        // Every other input gets right checksums, so that a change gets past them.
        if noise.below(2) == 0 {
            for at in (0..input.len().saturating_sub(511)).step_by(512) {
                if input[at + 257..].starts_with(b"ustar") {
                    seal(&mut input[at..]);
                }
            }
        }
        let root = outer.join("root");
        std::fs::create_dir(&root).unwrap();
        let directory = openat(CWD, &root, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
        let options = Options { owner: None, no_replace: false, max_entries: 100, max_bytes: 1 << 20 };
        let mut unpacker = Unpacker::new(directory, &options);
        let pushed = noise.cut(&input).into_iter().try_for_each(|piece| unpacker.push(piece));
        let result = pushed.and_then(|()| unpacker.finish());
        let (entries, bytes) = unpacker.totals();
        assert!(entries <= 101 && (result.is_err() || bytes <= 1 << 20));
        drop(unpacker);
        let outside: Vec<_> = std::fs::read_dir(&outer).unwrap().flatten().map(|e| e.file_name()).collect();
        assert_eq!(outside, ["root"], "something was made outside");
        let temporary = std::fs::read_dir(&root).unwrap().flatten();
        let left = temporary.filter(|e| e.file_name().to_string_lossy().starts_with(".kelpie-")).count();
        assert_eq!(left, 0, "a file without its name is left");
        if std::fs::remove_dir_all(&root).is_err() {
            // What was unpacked may have any mode.
            std::process::Command::new("rm").arg("-rf").arg(&root).status().unwrap();
        }
        result.is_ok()
    });
    std::fs::remove_dir_all(&outer).unwrap();
}
