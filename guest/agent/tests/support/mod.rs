//! An agent as a process of this machine, and a client that speaks to it over its Unix socket.

#![allow(dead_code, reason = "each test file uses its own part")]

use hyper_util::rt::{TokioExecutor, TokioIo};
use kelpie_guest::api;
use kelpie_guest::api::process_event::Event;
use kelpie_guest::api::process_service_client::ProcessServiceClient;
use kelpie_guest::api::{ExecRequest, Exit, OutputStream, ProcessSpec, SpawnFailure, StartProcessRequest};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tonic::body::Body;
use tonic::{Status, Streaming};

static SERIAL: AtomicU32 = AtomicU32::new(0);

/// How long anything in a test may take.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// A running agent; killed when dropped.
pub struct Agent {
    child: Child,
    cgroup: String,
    pub directory: PathBuf,
}

impl Agent {
    /// Starts an agent and waits for its line.
    pub fn start() -> Self {
        Self::start_by(&[])
    }

    /// Starts an agent through another program, which executes what follows it.
    pub fn start_by(program: &[&str]) -> Self {
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("kelpie-agent-{}-{serial}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let cgroup = format!("kelpie-test-{}-{serial}", std::process::id());
        let words: Vec<&str> = program.iter().copied().chain([env!("CARGO_BIN_EXE_kelpie-guest")]).collect();
        let mut child = Command::new(words[0])
            .args(&words[1..])
            .arg("--unix")
            .arg(directory.join("agent.sock"))
            .arg("--cgroup")
            .arg(&cgroup)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stderr = std::io::BufReader::new(child.stderr.take().unwrap());
        std::io::BufRead::read_line(&mut stderr, &mut line).unwrap();
        assert_eq!(line, "kelpie: agent ready\n");
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::stderr()));
        Self { child, cgroup, directory }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn socket(&self) -> PathBuf {
        self.directory.join("agent.sock")
    }

    /// A connected client.
    pub async fn connect(&self) -> Channel {
        let mut stream = UnixStream::connect(self.socket()).await.unwrap();
        greet(&mut stream, 1).await;
        Channel::over(stream).await
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
        // Opening a cgroup ends what is left in it; dropping it removes it.
        drop(kelpie_guest::process::cgroup::Cgroups::open(&self.cgroup));
    }
}

/// Says hello and reads up to its answer.
pub async fn greet(stream: &mut UnixStream, nonce: u128) {
    stream.write_all(format!("KELPIE-HELLO 1 {nonce:032x}\n").as_bytes()).await.unwrap();
    read_until(stream, format!("KELPIE-READY 1 {nonce:032x}\n").as_bytes()).await;
}

/// Reads up to the end of `wanted`.
pub async fn read_until(stream: &mut UnixStream, wanted: &[u8]) {
    let mut seen = Vec::new();
    while !seen.ends_with(wanted) {
        let byte =
            tokio::time::timeout(DEADLINE, stream.read_u8()).await.expect("an answer in time").unwrap();
        seen.push(byte);
    }
}

/// An HTTP/2 connection as the generated clients want it.
#[derive(Clone)]
pub struct Channel {
    sender: hyper::client::conn::http2::SendRequest<Body>,
}

impl Channel {
    pub async fn over(stream: UnixStream) -> Self {
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self { sender }
    }

    /// Over a stream that is cut when the returned task is aborted.
    pub async fn cuttable(stream: UnixStream) -> (Self, tokio::task::JoinHandle<()>) {
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        let task = tokio::spawn(async move { drop(connection.await) });
        (Self { sender }, task)
    }

    /// Whether the agent has ended the connection.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    pub fn processes(&self) -> ProcessServiceClient<Self> {
        ProcessServiceClient::new(self.clone())
    }

    pub fn agent(&self) -> api::agent_service_client::AgentServiceClient<Self> {
        api::agent_service_client::AgentServiceClient::new(self.clone())
    }

    pub fn files(&self) -> api::file_service_client::FileServiceClient<Self> {
        api::file_service_client::FileServiceClient::new(self.clone())
    }

    pub fn system(&self) -> api::system_service_client::SystemServiceClient<Self> {
        api::system_service_client::SystemServiceClient::new(self.clone())
    }

    /// Runs a process to its end with nothing on stdin.
    pub async fn run(&self, spec: ProcessSpec) -> Ran {
        self.run_with(spec, &[]).await
    }

    /// Runs a process to its end with these requests after the start.
    pub async fn run_with(&self, spec: ProcessSpec, requests: &[ExecRequest]) -> Ran {
        let start = start("", spec);
        let requests: Vec<_> = [start].into_iter().chain(requests.iter().cloned()).collect();
        let stream = self.processes().exec(tokio_stream::iter(requests)).await.unwrap().into_inner();
        tokio::time::timeout(DEADLINE, collect(stream)).await.expect("an end in time").unwrap()
    }
}

/// The first request of Exec.
pub fn start(id: &str, spec: ProcessSpec) -> ExecRequest {
    let start = StartProcessRequest { id: id.to_owned(), spec: Some(spec), ..StartProcessRequest::default() };
    ExecRequest { request: Some(api::exec_request::Request::Start(start)) }
}

impl tonic::client::GrpcService<Body> for Channel {
    type ResponseBody = hyper::body::Incoming;
    type Error = hyper::Error;
    type Future =
        std::pin::Pin<Box<dyn Future<Output = hyper::Result<http::Response<hyper::body::Incoming>>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.sender.poll_ready(cx)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let path = request.uri().path_and_query().unwrap().as_str();
        *request.uri_mut() = format!("http://agent{path}").parse().unwrap();
        Box::pin(self.sender.send_request(request))
    }
}

/// What came of a process.
#[derive(Default, Debug)]
pub struct Ran {
    pub id: String,
    pub pid: u32,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    /// Where stdout was attached at.
    pub base: u64,
    pub lost: u64,
    pub failure: Option<SpawnFailure>,
    pub exit: Option<Exit>,
}

impl Ran {
    pub fn code(&self) -> Option<u32> {
        match self.exit.as_ref()?.status? {
            api::exit::Status::Code(code) => Some(code),
            api::exit::Status::Signal(_) => None,
        }
    }

    pub fn signal(&self) -> Option<u32> {
        match self.exit.as_ref()?.status? {
            api::exit::Status::Signal(signal) => Some(signal),
            api::exit::Status::Code(_) => None,
        }
    }

    pub fn cause(&self) -> api::ExitCause {
        self.exit.as_ref().expect("an exit").cause()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Takes an event; checks that offsets leave no gap and nothing follows the end.
    pub fn take(&mut self, event: Event) {
        assert!(self.exit.is_none(), "{event:?} after the end");
        match event {
            Event::Started(process) => (self.id, self.pid) = (process.id, process.pid),
            Event::Failed(failure) => self.failure = Some(failure),
            Event::Output(output) => {
                let stderr = output.stream() == OutputStream::Stderr;
                let (stream, base) =
                    if stderr { (&mut self.stderr, 0) } else { (&mut self.stdout, self.base) };
                if self.lost == 0 {
                    assert_eq!(output.offset, base + stream.len() as u64, "a gap before it");
                }
                stream.extend_from_slice(&output.data);
            }
            Event::Lost(lost) => self.lost += lost.length,
            Event::Exited(exit) => self.exit = Some(exit),
        }
    }
}

/// Something that carries an event of a process.
pub trait Carrier {
    fn event(self) -> Event;
}

impl Carrier for api::ExecResponse {
    fn event(self) -> Event {
        self.event.unwrap().event.unwrap()
    }
}

impl Carrier for api::AttachResponse {
    fn event(self) -> Event {
        self.event.unwrap().event.unwrap()
    }
}

/// Reads a stream of events to its end.
pub async fn collect<T: Carrier>(stream: Streaming<T>) -> Result<Ran, Status> {
    collect_from(0, stream).await
}

/// Reads a stream of events, whose stdout begins at `base`, to its end.
pub async fn collect_from<T: Carrier>(base: u64, mut stream: Streaming<T>) -> Result<Ran, Status> {
    let mut ran = Ran { base, ..Ran::default() };
    while let Some(message) = stream.message().await? {
        ran.take(message.event());
    }
    Ok(ran)
}

/// A spec of this command line.
pub fn command(argv: &[&str]) -> ProcessSpec {
    ProcessSpec { argv: argv.iter().map(|arg| (*arg).to_owned()).collect(), ..ProcessSpec::default() }
}

/// A spec of this shell script.
pub fn shell(script: &str) -> ProcessSpec {
    command(&["/bin/sh", "-c", script])
}

/// Waits until `condition` holds.
pub async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = tokio::time::Instant::now();
    while !condition() {
        assert!(start.elapsed() < DEADLINE, "{what} did not come to pass");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Whether a process of this number is there and is no zombie.
pub fn is_alive(pid: u32) -> bool {
    let stat =
        std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

#[expect(clippy::unnecessary_wraps, reason = "requests want an option")]
pub fn at(path: impl AsRef<Path>) -> Option<api::FilePath> {
    Some(api::FilePath { path: path.as_ref().to_str().unwrap().to_owned(), root: String::new() })
}

pub fn directory(agent: &Agent, name: &str) -> PathBuf {
    let path = agent.directory.join(name);
    std::fs::create_dir(&path).unwrap();
    path
}

pub async fn begin(channel: &Channel, id: &str, spec: ProcessSpec) -> api::Process {
    let request =
        StartProcessRequest { id: id.to_owned(), spec: Some(spec), ..StartProcessRequest::default() };
    match channel.processes().start_process(request).await.unwrap().into_inner().result.unwrap() {
        api::start_process_response::Result::Process(process) => process,
        api::start_process_response::Result::Failure(failure) => panic!("{failure:?}"),
    }
}

pub async fn attach(channel: &Channel, id: &str, stdout_offset: u64) -> Ran {
    let request = api::AttachRequest { id: id.to_owned(), stdout_offset, ..api::AttachRequest::default() };
    let stream = channel.processes().attach(request).await.unwrap().into_inner();
    tokio::time::timeout(DEADLINE, collect_from(stdout_offset, stream))
        .await
        .expect("an end in time")
        .unwrap()
}

/// What the shell loop of these tests prints.
pub fn lines(count: u32) -> String {
    use std::fmt::Write;
    (0..count).fold(String::new(), |mut text, i| {
        let _ = writeln!(text, "line {i}");
        text
    })
}

/// The whole of a file, or the part that is asked for.
pub async fn read(channel: &Channel, request: api::ReadFileRequest) -> Result<Vec<u8>, Status> {
    let mut stream = channel.files().read_file(request).await?.into_inner();
    let mut bytes = Vec::new();
    let mut described = false;
    while let Some(message) = stream.message().await? {
        match message.part.unwrap() {
            api::read_file_response::Part::File(_) => described = true,
            api::read_file_response::Part::Data(data) => bytes.extend_from_slice(&data),
        }
    }
    assert!(described);
    Ok(bytes)
}
