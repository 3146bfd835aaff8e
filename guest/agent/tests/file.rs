//! What `FileService` promises, against a real agent and the real tar.

mod support;

use kelpie_guest::api::{
    ExportTarRequest, FilePath, FileType, ImportTarOpen, ImportTarRequest, ImportTarResponse,
    ListDirectoryRequest, MakeDirectoryRequest, MakeLinkRequest, Owner, ReadFileRequest, ReadLinkRequest,
    RemoveFileRequest, RenameFileRequest, RenameMode, SetAttributesRequest, StatFileRequest,
    WatchFilesRequest, WriteFileOpen, WriteFileRequest, WriteMode, import_tar_request, make_link_request,
    read_file_response, watch_files_response, write_file_request,
};
use std::collections::BTreeMap;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::{Agent, Channel};
use tonic::{Code, Status};

#[expect(clippy::unnecessary_wraps, reason = "requests want an option")]
fn at(path: impl AsRef<Path>) -> Option<FilePath> {
    Some(FilePath { path: path.as_ref().to_str().unwrap().to_owned(), root: String::new() })
}

#[expect(clippy::unnecessary_wraps, reason = "requests want an option")]
fn beneath(root: &Path, path: &str) -> Option<FilePath> {
    Some(FilePath { path: path.to_owned(), root: root.to_str().unwrap().to_owned() })
}

fn errno(status: &Status) -> &str {
    status.metadata().get("kelpie-errno").map_or("", |value| value.to_str().unwrap())
}

async fn write(channel: &Channel, open: WriteFileOpen, data: &[u8]) -> Result<u64, Status> {
    let open = WriteFileRequest { part: Some(write_file_request::Part::Open(open)) };
    let chunks = data
        .chunks(60_000)
        .map(|chunk| WriteFileRequest { part: Some(write_file_request::Part::Data(chunk.to_vec().into())) });
    let requests: Vec<_> = [open].into_iter().chain(chunks).collect();
    let answer = channel.files().write_file(tokio_stream::iter(requests)).await?;
    Ok(answer.into_inner().written_bytes)
}

async fn read(channel: &Channel, request: ReadFileRequest) -> Result<Vec<u8>, Status> {
    let mut stream = channel.files().read_file(request).await?.into_inner();
    let mut bytes = Vec::new();
    let mut described = false;
    while let Some(message) = stream.message().await? {
        match message.part.unwrap() {
            read_file_response::Part::File(_) => described = true,
            read_file_response::Part::Data(data) => bytes.extend_from_slice(&data),
        }
    }
    assert!(described);
    Ok(bytes)
}

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

fn directory(agent: &Agent, name: &str) -> PathBuf {
    let path = agent.directory.join(name);
    std::fs::create_dir(&path).unwrap();
    path
}

fn entries(path: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_file_is_read_as_it_was_written_whole_and_in_parts() {
    let agent = Agent::start();
    let channel = agent.connect().await;
    let path = agent.directory.join("deep/er/file");
    let bytes: Vec<u8> = (0..=250).cycle().take(1_000_000).collect();
    let size_bytes = Some(bytes.len() as u64);
    let open = WriteFileOpen {
        path: at(&path),
        parents: true,
        permissions: Some(0o640),
        size_bytes,
        ..Default::default()
    };
    assert_eq!(write(&channel, open, &bytes).await.unwrap(), 1_000_000);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o640);
    assert_eq!(
        read(&channel, ReadFileRequest { path: at(&path), ..Default::default() }).await.unwrap(),
        bytes
    );
    let part = ReadFileRequest { path: at(&path), offset: 999_000, length: Some(500) };
    assert_eq!(read(&channel, part).await.unwrap(), &bytes[999_000..999_500]);
    let beyond = ReadFileRequest { path: at(&path), offset: 2_000_000, length: None };
    assert!(read(&channel, beyond).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_file_is_replaced_in_one_step_and_keeps_its_permissions() {
    let agent = Agent::start();
    let channel = agent.connect().await;
    let path = agent.directory.join("file");
    std::fs::write(&path, "old").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o4711)).unwrap();
    let open = |mode: WriteMode| WriteFileOpen { path: at(&path), mode: mode.into(), ..Default::default() };
    let before = std::fs::File::open(&path).unwrap();
    write(&channel, open(WriteMode::Replace), b"new").await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"new");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o4711);
    let mut old = [0; 3];
    before.read_exact_at(&mut old, 0).unwrap();
    assert_eq!(&old, b"old", "who had it open still has the old one");
    let status = write(&channel, open(WriteMode::Create), b"x").await.unwrap_err();
    assert_eq!((status.code(), errno(&status)), (Code::AlreadyExists, "EEXIST"));
    write(&channel, open(WriteMode::Append), b"er").await.unwrap();
    write(&channel, WriteFileOpen { offset: 1, ..open(WriteMode::At) }, b"E").await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"nEwer");
}

#[tokio::test]
async fn a_write_that_fails_leaves_nothing() {
    let agent = Agent::start();
    let channel = agent.connect().await;
    let root = directory(&agent, "root");
    let open = WriteFileOpen { path: at(root.join("file")), size_bytes: Some(10), ..Default::default() };
    let status = write(&channel, open.clone(), b"short").await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(write(&channel, open.clone(), &[0; 20]).await.unwrap_err().code(), Code::InvalidArgument);
    let huge = WriteFileOpen { size_bytes: Some(1 << 60), ..open };
    assert_eq!(errno(&write(&channel, huge, b"").await.unwrap_err()), "ENOSPC");
    assert_eq!(entries(&root), Vec::<String>::new());
}

#[tokio::test]
async fn every_refusal_has_its_code_and_errno() {
    let agent = Agent::start();
    let channel = agent.connect().await;
    let root = directory(&agent, "root");
    std::fs::write(root.join("file"), "").unwrap();
    let stat = async |path: Option<FilePath>| {
        channel.files().stat_file(StatFileRequest { path, no_follow: false }).await.map(|_| ()).unwrap_err()
    };
    let missing = stat(at(root.join("no"))).await;
    assert_eq!((missing.code(), errno(&missing)), (Code::NotFound, "ENOENT"));
    let through = stat(at(root.join("file/x"))).await;
    assert_eq!((through.code(), errno(&through)), (Code::FailedPrecondition, "ENOTDIR"));
    assert_eq!(stat(None).await.code(), Code::InvalidArgument);
    let list = ListDirectoryRequest { path: at(root.join("file")), depth: 0 };
    assert_eq!(errno(&channel.files().list_directory(list).await.map(|_| ()).unwrap_err()), "ENOTDIR");
    let read_directory = ReadFileRequest { path: at(&root), ..Default::default() };
    assert_eq!(errno(&read(&channel, read_directory).await.unwrap_err()), "EISDIR");
}

#[tokio::test]
async fn a_root_is_never_left() {
    let agent = Agent::start();
    let channel = agent.connect().await;
    let root = directory(&agent, "root");
    std::fs::write(agent.directory.join("secret"), "secret").unwrap();
    symlink("..", root.join("up")).unwrap();
    symlink("/etc", root.join("etc")).unwrap();
    symlink("../secret", root.join("leak")).unwrap();
    std::fs::create_dir(root.join("inner")).unwrap();
    symlink("inner", root.join("fine")).unwrap();
    for path in ["../secret", "up/secret", "etc/passwd", "leak", "inner/../../secret"] {
        let request = ReadFileRequest { path: beneath(&root, path), ..Default::default() };
        let status = read(&channel, request).await.unwrap_err();
        assert_eq!((status.code(), errno(&status)), (Code::PermissionDenied, "EXDEV"), "{path}");
        let open =
            WriteFileOpen { path: beneath(&root, path), mode: WriteMode::At.into(), ..Default::default() };
        assert_eq!(errno(&write(&channel, open, b"x").await.unwrap_err()), "EXDEV", "{path}");
    }
    let open = WriteFileOpen { path: beneath(&root, "fine/file"), ..Default::default() };
    write(&channel, open, b"fine").await.unwrap();
    assert_eq!(std::fs::read(root.join("inner/file")).unwrap(), b"fine");
    assert_eq!(std::fs::read(agent.directory.join("secret")).unwrap(), b"secret");
}

#[tokio::test]
async fn the_tree_is_changed_as_asked() {
    let agent = Agent::start();
    let channel = agent.connect().await;
    let mut files = channel.files();
    let root = directory(&agent, "root");
    let make = |path: PathBuf, parents| MakeDirectoryRequest {
        path: at(path),
        parents,
        mode: Some(0o750),
        owner: None,
    };
    files.make_directory(make(root.join("a/b/c"), true)).await.unwrap();
    files.make_directory(make(root.join("a/b/c"), true)).await.unwrap();
    assert_eq!(
        files.make_directory(make(root.join("a"), false)).await.unwrap_err().code(),
        Code::AlreadyExists
    );
    assert_eq!(std::fs::metadata(root.join("a/b/c")).unwrap().permissions().mode() & 0o7777, 0o750);

    let symbolic = Some(make_link_request::Target::Symbolic("a/b".to_owned()));
    files.make_link(MakeLinkRequest { path: at(root.join("link")), target: symbolic }).await.unwrap();
    let target =
        files.read_link(ReadLinkRequest { path: at(root.join("link")) }).await.unwrap().into_inner().target;
    assert_eq!(target, "a/b");
    std::fs::write(root.join("one"), "1").unwrap();
    let hard = Some(make_link_request::Target::Hard(at(root.join("one")).unwrap()));
    files.make_link(MakeLinkRequest { path: at(root.join("two")), target: hard }).await.unwrap();
    assert_eq!(std::fs::metadata(root.join("two")).unwrap().nlink(), 2);

    let rename = |from: &str, to: &str, mode: RenameMode| RenameFileRequest {
        from: at(root.join(from)),
        to: at(root.join(to)),
        mode: mode.into(),
    };
    let status = files.rename_file(rename("one", "link", RenameMode::NoReplace)).await.unwrap_err();
    assert_eq!(status.code(), Code::AlreadyExists);
    files.rename_file(rename("one", "link", RenameMode::Exchange)).await.unwrap();
    assert!(std::fs::symlink_metadata(root.join("one")).unwrap().is_symlink());
    files.rename_file(rename("link", "three", RenameMode::Replace)).await.unwrap();

    let attributes = SetAttributesRequest {
        path: at(root.join("three")),
        no_follow: false,
        mode: Some(0o2755),
        owner: rustix::process::geteuid().is_root().then_some(Owner { uid: 12, gid: 34 }),
        modified_unix_ns: Some(-1_500_000_000),
    };
    let file = files.set_attributes(attributes).await.unwrap().into_inner().file.unwrap();
    assert_eq!(
        (file.mode, file.modified_unix_ns, file.r#type()),
        (0o2755, -1_500_000_000, FileType::Regular)
    );

    let mut pages =
        files.list_directory(ListDirectoryRequest { path: at(&root), depth: 3 }).await.unwrap().into_inner();
    let mut listed = BTreeMap::new();
    while let Some(page) = pages.message().await.unwrap() {
        listed.extend(page.files.into_iter().map(|file| (file.path.clone(), file.r#type())));
    }
    let names: Vec<&str> = listed.keys().map(String::as_str).collect();
    assert_eq!(names, ["a", "a/b", "a/b/c", "one", "three", "two"]);
    assert_eq!(listed["one"], FileType::Symlink);

    let remove = |path: &str, recursive, missing_ok| RemoveFileRequest {
        path: at(root.join(path)),
        recursive,
        missing_ok,
    };
    assert_eq!(errno(&files.remove_file(remove("a", false, false)).await.unwrap_err()), "ENOTEMPTY");
    assert_eq!(files.remove_file(remove("a", true, false)).await.unwrap().into_inner().removed, 3);
    assert_eq!(files.remove_file(remove("a", true, true)).await.unwrap().into_inner().removed, 0);
    assert_eq!(files.remove_file(remove("a", true, false)).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_long_directory_is_listed_in_pages() {
    let agent = Agent::start();
    let root = directory(&agent, "root");
    (0..1000).for_each(|index| std::fs::write(root.join(format!("file{index}")), "").unwrap());
    let channel = agent.connect().await;
    let request = ListDirectoryRequest { path: at(&root), depth: 0 };
    let mut pages = channel.files().list_directory(request).await.unwrap().into_inner();
    let (mut total, mut largest) = (0, 0);
    while let Some(page) = pages.message().await.unwrap() {
        total += page.files.len();
        largest = largest.max(page.files.len());
    }
    assert_eq!((total, largest), (1000, 256));
}

#[tokio::test]
async fn changes_are_told_in_new_directories_too() {
    let agent = Agent::start();
    let root = directory(&agent, "root");
    let channel = agent.connect().await;
    let request = WatchFilesRequest { path: at(&root), recursive: true };
    let mut changes = channel.files().watch_files(request).await.unwrap().into_inner();
    let mut next = async || {
        let message =
            tokio::time::timeout(support::DEADLINE, changes.message()).await.expect("a change in time");
        message.unwrap().unwrap().event.unwrap()
    };
    assert!(matches!(next().await, watch_files_response::Event::Started(_)));
    std::fs::create_dir_all(root.join("a/b")).unwrap();
    let mut seen = Vec::new();
    while !seen.contains(&"a/b".to_owned()) {
        if let watch_files_response::Event::Change(change) = next().await {
            seen.push(change.path);
        }
    }
    std::fs::write(root.join("a/b/file"), "x").unwrap();
    while !seen.contains(&"a/b/file".to_owned()) {
        if let watch_files_response::Event::Change(change) = next().await {
            seen.push(change.path);
        }
    }
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
