//! What `FileService` promises of files and directories, against a real agent.

mod support;

use kelpie_guest::api::{
    FilePath, FileType, ListDirectoryRequest, MakeDirectoryRequest, MakeLinkRequest, Owner, ReadFileRequest,
    ReadLinkRequest, RemoveFileRequest, RenameFileRequest, RenameMode, SetAttributesRequest, StatFileRequest,
    WatchFilesRequest, WriteFileOpen, WriteFileRequest, WriteMode, make_link_request, watch_files_response,
    write_file_request,
};
use std::collections::BTreeMap;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use support::{Agent, Channel, at, directory, read};
use tonic::{Code, Status};

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
async fn a_directory_that_has_no_name_of_its_own_is_there_already() {
    let agent = Agent::start();
    let channel = agent.connect().await;
    let make = |parents| MakeDirectoryRequest { path: at("/"), parents, mode: None, owner: None };
    channel.files().make_directory(make(true)).await.unwrap();
    assert_eq!(errno(&channel.files().make_directory(make(false)).await.unwrap_err()), "EINVAL");
}

#[tokio::test]
async fn a_written_file_is_on_the_disk_before_it_has_its_name_and_the_name_before_the_answer() {
    let trace = std::env::temp_dir().join(format!("kelpie-strace-{}", std::process::id()));
    let calls = "trace=fsync,renameat2,fchmod,fchown,openat";
    let strace = ["strace", "-D", "-f", "-qq", "-y", "-e", calls, "-o", trace.to_str().unwrap()];
    let allowed = std::process::Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: there is no strace, or it may not trace");
        return;
    }
    let agent = Agent::start_by(&strace);
    let channel = agent.connect().await;
    let root = directory(&agent, "synced");
    let open = WriteFileOpen { path: at(root.join("name")), permissions: Some(0o600), ..Default::default() };
    write(&channel, open, b"content").await.unwrap();
    let told = std::fs::read_to_string(&trace).unwrap();
    std::fs::remove_file(&trace).unwrap();
    let at = |what: &str| {
        let found = told.lines().position(|line| line.contains(what) && line.contains("/synced"));
        found.unwrap_or_else(|| panic!("{what} in {told}"))
    };
    // Of the file by its first name, then of the directory.
    let synced: Vec<_> = told
        .lines()
        .enumerate()
        .filter(|(_, line)| line.contains("fsync(") && line.contains("/synced"))
        .collect();
    assert_eq!(synced.len(), 2, "{told}");
    let ((file, first), (directory, last)) = (synced[0], synced[1]);
    assert!(first.contains("/.kelpie-") && last.contains("/synced>"), "{told}");
    assert!(at("fchmod(") < file && file < at("renameat2(") && at("renameat2(") < directory, "{told}");
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
