//! What `FileService` promises of archives, against a real agent and the real tar.

mod support;

use kelpie_guest::api::{
    ExportTarRequest, ImportTarOpen, ImportTarRequest, ImportTarResponse, ReadFileRequest, import_tar_request,
};
use std::collections::BTreeMap;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use support::{Agent, Channel, at, directory, read};
use tonic::{Code, Status};

async fn import(channel: &Channel, open: ImportTarOpen, archive: &[u8]) -> Result<ImportTarResponse, Status> {
    let open = ImportTarRequest { part: Some(import_tar_request::Part::Open(open)) };
    let chunks = archive
        .chunks(10_007)
        .map(|chunk| ImportTarRequest { part: Some(import_tar_request::Part::Data(chunk.to_vec().into())) });
    let requests: Vec<_> = [open].into_iter().chain(chunks).collect();
    Ok(channel.files().import_tar(tokio_stream::iter(requests)).await?.into_inner())
}

fn import_to(root: &Path) -> ImportTarOpen {
    ImportTarOpen { root: root.to_str().unwrap().to_owned(), ..ImportTarOpen::default() }
}

async fn export(channel: &Channel, path: &Path, exclude: &[&str]) -> Vec<u8> {
    let exclude = exclude.iter().map(|path| (*path).to_owned()).collect();
    let request = ExportTarRequest { path: at(path), exclude };
    let mut stream = channel.files().export_tar(request).await.unwrap().into_inner();
    let mut bytes = Vec::new();
    while let Some(message) = stream.message().await.unwrap() {
        bytes.extend_from_slice(&message.data);
    }
    bytes
}

/// A tree with one of everything.
fn make_tree(root: &Path) {
    let long = "long-".repeat(30);
    std::fs::create_dir_all(root.join("dir").join(&long)).unwrap();
    std::fs::write(root.join("dir").join(&long).join("file"), vec![7; 70_000]).unwrap();
    std::fs::write(root.join("empty"), "").unwrap();
    std::fs::write(root.join("exact"), vec![1; 1024]).unwrap();
    std::fs::set_permissions(root.join("exact"), std::fs::Permissions::from_mode(0o4755)).unwrap();
    std::fs::hard_link(root.join("exact"), root.join("hard")).unwrap();
    symlink("dir/nowhere", root.join("dangling")).unwrap();
    symlink("x".repeat(150), root.join("long-link")).unwrap();
    Command::new("mkfifo").arg(root.join("fifo")).status().unwrap();
    let sparse = std::fs::File::create(root.join("sparse")).unwrap();
    for offset in [0, 1 << 20, 5 << 20] {
        sparse.write_all_at(b"data", offset).unwrap();
    }
    sparse.set_len(9 << 20).unwrap();
    if rustix::process::geteuid().is_root() {
        Command::new("mknod").arg(root.join("null")).args(["c", "1", "3"]).status().unwrap();
        std::os::unix::fs::chown(root.join("empty"), Some(3_000_000), Some(40)).unwrap();
    }
    let _ =
        rustix::fs::setxattr(root.join("empty"), "user.kelpie", b"a\0b=c\n", rustix::fs::XattrFlags::empty());
}

/// What a tree is, for a comparison: each path with its metadata and content.
fn describe(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(path) = waiting.pop() {
        let meta = std::fs::symlink_metadata(&path).unwrap();
        let mut xattr = vec![0; 100];
        let xattr_len = rustix::fs::lgetxattr(&path, "user.kelpie", xattr.as_mut_slice()).unwrap_or(0);
        let content = if meta.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            format!(
                "{} {:?}",
                bytes.len(),
                bytes.iter().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add((*byte).into()))
            )
        } else if meta.is_symlink() {
            std::fs::read_link(&path).unwrap().display().to_string()
        } else {
            String::new()
        };
        if meta.is_dir() {
            waiting.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        let links = if meta.is_dir() { 0 } else { meta.nlink() };
        let text = format!(
            "{:o} {}:{} {} {links} {:x} {:?} {content}",
            meta.mode(),
            meta.uid(),
            meta.gid(),
            meta.mtime(),
            meta.rdev(),
            &xattr[..xattr_len]
        );
        found.insert(path.strip_prefix(root).unwrap().to_owned(), text);
    }
    found
}

fn tar(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child =
        Command::new("tar").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || std::io::Write::write_all(&mut stdin, &input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "tar {arguments:?}");
    output.stdout
}

#[tokio::test]
async fn a_packed_tree_is_unpacked_alike_by_tar_and_by_the_agent() {
    let agent = Agent::start();
    let channel = agent.connect().await;
    let root = directory(&agent, "root");
    make_tree(&root);
    let archive = export(&channel, &root, &[]).await;
    assert!(archive.len() < 200_000, "holes are not packed: {}", archive.len());
    let expected = describe(&root);

    let by_tar = directory(&agent, "by-tar");
    tar(
        &["-x", "-p", "--xattrs", "--xattrs-include=*", "--numeric-owner", "-C", by_tar.to_str().unwrap()],
        &archive,
    );
    assert_eq!(describe(&by_tar), expected);

    let by_agent = directory(&agent, "by-agent");
    let answer = import(&channel, import_to(&by_agent), &archive).await.unwrap();
    assert_eq!(describe(&by_agent), expected);
    assert_eq!(answer.entries, expected.len() as u64);
    assert!(std::fs::metadata(by_agent.join("sparse")).unwrap().blocks() < 100, "holes stay holes");

    let again = import(&channel, import_to(&by_agent), &archive).await;
    again.unwrap();
    assert_eq!(describe(&by_agent), expected, "a second time changes nothing");
    let strict = ImportTarOpen { no_replace: true, ..import_to(&by_agent) };
    assert_eq!(import(&channel, strict, &archive).await.unwrap_err().code(), Code::AlreadyExists);
}

#[tokio::test]
async fn every_format_of_tar_is_unpacked() {
    let agent = Agent::start();
    let channel = agent.connect().await;
    let root = directory(&agent, "root");
    make_tree(&root);
    let expected = describe(&root);
    let formats: [&[&str]; 5] = [
        &["--format=gnu"],
        &["--format=gnu", "-S"],
        &["--format=pax", "--xattrs"],
        &["--format=pax", "-S", "--sparse-version=1.0", "--xattrs"],
        &["--format=pax", "-S", "--sparse-version=0.1", "--xattrs"],
    ];
    for (index, format) in formats.into_iter().enumerate() {
        let arguments = [&["-c", "-C", root.to_str().unwrap(), "--numeric-owner"], format, &["."]].concat();
        let archive = tar(&arguments, b"");
        let target = directory(&agent, &format!("target{index}"));
        import(&channel, import_to(&target), &archive).await.unwrap();
        let mut found = describe(&target);
        let mut wanted = expected.clone();
        if !format.contains(&"--xattrs") {
            for tree in [&mut found, &mut wanted] {
                tree.remove(Path::new("empty"));
            }
        }
        assert_eq!(found, wanted, "{format:?}");
    }
}

#[tokio::test]
async fn a_lone_file_is_packed_and_excluded_ones_are_not() {
    let agent = Agent::start();
    let channel = agent.connect().await;
    let root = directory(&agent, "root");
    make_tree(&root);
    let listed = |archive: &[u8]| String::from_utf8(tar(&["-t"], archive)).unwrap();
    assert_eq!(listed(&export(&channel, &root.join("exact"), &[]).await), "exact\n");
    let rest = listed(&export(&channel, &root, &["dir", "sparse"]).await);
    assert!(rest.contains("exact") && !rest.contains("dir/") && !rest.contains("sparse"), "{rest}");
}

#[tokio::test]
async fn an_archive_cannot_reach_outside_its_root() {
    let agent = Agent::start();
    let channel = agent.connect().await;
    let outside = directory(&agent, "outside");
    let build = |script: &str| {
        let work = agent.directory.join("work");
        let _ = std::fs::remove_dir_all(&work);
        std::fs::create_dir(&work).unwrap();
        let script = script.replace("OUT", outside.to_str().unwrap());
        let output = Command::new("sh").arg("-c").arg(script).current_dir(&work).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout
    };
    let archives = [
        // A path that climbs.
        build("echo x > f; tar -c --transform 's,f,../outside/f,' -P f"),
        // A link out, and then a file through it.
        build("ln -s OUT l; mkdir d; echo x > d/f; tar -c -P --transform 's,^d/f,l/f,' l d/f"),
        build("ln -s ../outside l; mkdir d; echo x > d/f; tar -c -P --transform 's,^d/f,l/f,' l d/f"),
        // A link out, and then a directory of the same name with other permissions.
        build("ln -s ../outside l; mkdir d; chmod 777 d; tar -c -P --transform 's,^d,l,' l d"),
    ];
    let before = describe(&outside);
    for (index, archive) in archives.iter().enumerate() {
        let root = directory(&agent, &format!("root{index}"));
        let status = import(&channel, import_to(&root), archive).await.unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied, "archive {index}: {status:?}");
        assert_eq!(describe(&outside), before, "archive {index}");
    }
    // A hard link to outside is refused too; its target is taken as below the root.
    let archive = build(
        "echo x > f; ln f g; tar -c -P --transform 's,^f$,../outside/f,;s,^../outside/f$,../outside/f,R' g f",
    );
    let root = directory(&agent, "root-hard");
    assert!(import(&channel, import_to(&root), &archive).await.is_err());
    assert_eq!(describe(&outside), before);
}

#[tokio::test]
async fn a_cut_or_changed_archive_is_refused_or_taken_but_never_hangs() {
    let agent = Agent::start();
    let channel = agent.connect().await;
    let root = directory(&agent, "root");
    make_tree(&root);
    let _ = std::fs::remove_file(root.join("null"));
    let archive = export(&channel, &root, &[]).await;
    let target = directory(&agent, "target");
    for cut in [1, 511, 513, 1025, 5000, archive.len() / 2] {
        let status = import(&channel, import_to(&target), &archive[..cut]).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "cut at {cut}");
    }
    let mut state = 0x1234_5678_u32;
    for round in 0..150 {
        let mut changed = archive.clone();
        for _ in 0..=round % 4 {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            let length = changed.len();
            changed[state as usize % length] ^= 1 << (state >> 29);
        }
        let open = ImportTarOpen { max_bytes: 1 << 30, no_sync: true, ..import_to(&target) };
        let done = tokio::time::timeout(support::DEADLINE, import(&channel, open, &changed)).await;
        // Either is right; what matters is that the agent has an answer and is well.
        let _ = done.expect("an answer in time");
    }
    assert_eq!(
        read(&channel, ReadFileRequest { path: at(root.join("exact")), ..Default::default() })
            .await
            .unwrap()
            .len(),
        1024
    );
}

#[tokio::test]
async fn a_file_of_an_archive_that_ends_early_is_not_there_or_is_the_old_one() {
    let agent = Agent::start();
    let channel = agent.connect().await;
    let root = directory(&agent, "root");
    std::fs::write(root.join("first"), "first").unwrap();
    std::fs::write(root.join("second"), vec![7; 100_000]).unwrap();
    let archive = tar(&["-c", "-C", root.to_str().unwrap(), "first", "second"], b"");
    for present in [None, Some("old")] {
        let target = directory(&agent, present.unwrap_or("new"));
        if let Some(present) = present {
            std::fs::write(target.join("second"), present).unwrap();
        }
        let before = describe(&target);
        assert!(import(&channel, import_to(&target), &archive[..50_000]).await.is_err());
        // A caller that goes away in the middle, and one whose disk is full, leave as little.
        let limited = ImportTarOpen { max_bytes: 1000, ..import_to(&target) };
        assert!(import(&channel, limited, &archive).await.is_err());
        let left = std::fs::read(target.join("first")).unwrap();
        assert_eq!(left, b"first");
        std::fs::remove_file(target.join("first")).unwrap();
        let mut after = describe(&target);
        // The directory itself has changed since.
        after.insert(PathBuf::new(), before[Path::new("")].clone());
        assert_eq!(after, before);
    }
}

#[tokio::test]
async fn links_that_are_changed_while_an_archive_comes_lead_nowhere() {
    let agent = Agent::start();
    let channel = agent.connect().await;
    let outside = directory(&agent, "outside");
    let root = directory(&agent, "root");
    let source = directory(&agent, "source");
    for name in ["d", "d/e"] {
        std::fs::create_dir(source.join(name)).unwrap();
    }
    for index in 0..200 {
        std::fs::write(source.join(format!("d/e/f{index}")), "x").unwrap();
    }
    let archive = tar(&["-c", "-C", source.to_str().unwrap(), "d"], b"");
    std::fs::create_dir_all(root.join("d/e")).unwrap();
    // The directory that files go to is now itself, now a link out, at both of its levels.
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let swaps = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let swapping = std::thread::spawn({
        let (stop, swaps) = (std::sync::Arc::clone(&stop), std::sync::Arc::clone(&swaps));
        let (root, outside) = (root.clone(), outside.clone());
        move || {
            while !stop.load(Ordering::Relaxed) {
                for name in ["d", "d/e"] {
                    let (here, aside) = (root.join(name), root.join("aside"));
                    if std::fs::rename(&here, &aside).is_ok() {
                        let _ = symlink(&outside, &here);
                        std::thread::yield_now();
                        let _ = std::fs::remove_file(&here);
                        let _ = std::fs::remove_dir_all(&here);
                        let _ = std::fs::rename(&aside, &here);
                        swaps.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        }
    });
    let (mut taken, mut refused) = (0, 0);
    let begun = std::time::Instant::now();
    // On a busy machine one of the two may hardly run for seconds.
    let has_met = |refused: u32| swaps.load(Ordering::Relaxed) > 20 && refused > 0;
    while begun.elapsed().as_secs() < 2 || (!has_met(refused) && begun.elapsed().as_secs() < 60) {
        let open = ImportTarOpen { no_sync: true, ..import_to(&root) };
        match import(&channel, open, &archive).await {
            Ok(_) => taken += 1,
            Err(_) => refused += 1,
        }
    }
    stop.store(true, Ordering::Relaxed);
    swapping.join().unwrap();
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0, "something was made outside");
    assert!(has_met(refused), "{swaps:?} swaps, {taken} taken, {refused} refused");
}

#[tokio::test]
async fn an_archive_beyond_its_limits_is_refused() {
    let agent = Agent::start();
    let channel = agent.connect().await;
    let root = directory(&agent, "root");
    make_tree(&root);
    let archive = export(&channel, &root, &[]).await;
    let target = directory(&agent, "target");
    for open in [
        ImportTarOpen { max_entries: 3, ..import_to(&target) },
        ImportTarOpen { max_bytes: 1000, ..import_to(&target) },
    ] {
        assert_eq!(import(&channel, open, &archive).await.unwrap_err().code(), Code::ResourceExhausted);
    }
}
