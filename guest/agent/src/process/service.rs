//! `ProcessService`: what comes over the wire, handed to the table and the processes.

use super::attach::Reader;
use super::lock;
use super::outputs::STREAMS;
use super::record::Process;
use super::spawn::set_size;
use super::supervise::send;
use super::table::Table;
use crate::api::exec_request::Request as ExecPart;
use crate::api::process_event::Event;
use crate::api::process_service_server::ProcessService;
use crate::api::start_process_response::Result as StartResult;
use crate::api::{
    AttachRequest, AttachResponse, ExecRequest, ExecResponse, ListProcessesRequest, ListProcessesResponse,
    ProcessEvent, ResizeTerminalRequest, ResizeTerminalResponse, Signal, SignalProcessRequest,
    SignalProcessResponse, SignalTarget, StartProcessRequest, StartProcessResponse, TerminalSize,
    WaitProcessRequest, WaitProcessResponse, WriteStdinRequest, WriteStdinResponse,
};
use crate::errors::{invalid, status};
use futures_util::stream::{self, BoxStream, StreamExt};
use std::sync::Arc;
use tokio::sync::oneshot;
use tonic::{Request, Response, Status, Streaming};

/// The largest chunk of bytes in a stream.
const MAX_CHUNK: usize = 64 * 1024;

/// The metadata by which a reader says who it is: at most so many characters of it count.
const READER: &str = "kelpie-reader";
const MAX_READER: usize = 64;

/// The service.
pub struct Processes {
    table: Arc<Table>,
}

type Answer<T> = Result<Response<T>, Status>;
type Answers<T> = BoxStream<'static, Result<T, Status>>;

impl Processes {
    /// Over the processes of `table`.
    #[must_use]
    pub fn new(table: Arc<Table>) -> Self {
        Self { table }
    }
}

#[tonic::async_trait]
impl ProcessService for Processes {
    type ExecStream = Answers<ExecResponse>;
    type AttachStream = Answers<AttachResponse>;

    async fn start_process(&self, request: Request<StartProcessRequest>) -> Answer<StartProcessResponse> {
        let result = match self.table.start(request.into_inner(), None).await? {
            Ok(process) => StartResult::Process(process.describe(&lock(&process.state))),
            Err(failure) => StartResult::Failure(failure),
        };
        Ok(Response::new(StartProcessResponse { result: Some(result) }))
    }

    async fn exec(&self, request: Request<Streaming<ExecRequest>>) -> Answer<Self::ExecStream> {
        let name = reader_name(&request);
        let mut requests = request.into_inner();
        let Some(ExecRequest { request: Some(ExecPart::Start(start)) }) = requests.message().await? else {
            return Err(invalid("The first request of Exec must be start"));
        };
        let (first, reader) = oneshot::channel();
        let process = match self.table.start(start, Some(first)).await? {
            Ok(process) => process,
            Err(failure) => {
                let event = Some(ProcessEvent { event: Some(Event::Failed(failure)) });
                return Ok(Response::new(stream::iter([Ok(ExecResponse { event })]).boxed()));
            }
        };
        // There is no first reader for a process that was started before.
        let reader = match reader.await {
            Ok(reader) => reader,
            Err(_) => Reader::attach(Arc::clone(&process), [0; STREAMS], false)?,
        };
        reader.named(name.as_deref());
        let (refuse, refused) = oneshot::channel();
        tokio::spawn(feed(requests, process, refuse));
        let events = events(reader).map(|event| Ok(ExecResponse { event: Some(event) }));
        Ok(Response::new(until_refused(events.boxed(), refused)))
    }

    async fn attach(&self, request: Request<AttachRequest>) -> Answer<Self::AttachStream> {
        let name = reader_name(&request);
        let request = request.into_inner();
        let process = self.table.find(&request.id)?;
        let reader =
            Reader::attach(process, [request.stdout_offset, request.stderr_offset], request.passive)?;
        reader.named(name.as_deref());
        Ok(Response::new(events(reader).map(|event| Ok(AttachResponse { event: Some(event) })).boxed()))
    }

    async fn write_stdin(
        &self,
        request: Request<Streaming<WriteStdinRequest>>,
    ) -> Answer<WriteStdinResponse> {
        let mut requests = request.into_inner();
        let mut process: Option<Arc<Process>> = None;
        while let Some(part) = requests.message().await? {
            let process = match &process {
                Some(process) if part.id.is_empty() || part.id == process.id => process,
                Some(process) => {
                    return Err(invalid(format!("id changes in the stream: {} to {}", process.id, part.id)));
                }
                None => process.insert(self.table.find(&part.id)?),
            };
            check_chunk(&part.data)?;
            process.stdin.write(part.offset, &part.data).await.map_err(|gap| {
                Status::out_of_range(format!(
                    "stdin has accepted {} bytes: there is a gap before offset",
                    gap.accepted
                ))
            })?;
            if part.end {
                process.stdin.end().await;
            }
        }
        let process = process.ok_or_else(|| invalid("WriteStdin needs at least one request"))?;
        let (accepted_bytes, open) = (process.stdin.accepted(), process.stdin.is_open());
        Ok(Response::new(WriteStdinResponse { accepted_bytes, open }))
    }

    async fn signal_process(&self, request: Request<SignalProcessRequest>) -> Answer<SignalProcessResponse> {
        let request = request.into_inner();
        let process = self.table.find(&request.id)?;
        let signal = request.signal.ok_or_else(|| invalid("signal is missing"))?;
        Ok(Response::new(SignalProcessResponse { delivered: deliver(&process, signal)? }))
    }

    async fn resize_terminal(
        &self,
        request: Request<ResizeTerminalRequest>,
    ) -> Answer<ResizeTerminalResponse> {
        let request = request.into_inner();
        resize(&*self.table.find(&request.id)?, request.size.as_ref())?;
        Ok(Response::new(ResizeTerminalResponse {}))
    }

    async fn wait_process(&self, request: Request<WaitProcessRequest>) -> Answer<WaitProcessResponse> {
        let process = self.table.find(&request.into_inner().id)?;
        let mut ended = process.ended.subscribe();
        ended
            .wait_for(|ended| *ended)
            .await
            .map_err(|_| Status::internal("The process's supervisor is gone"))?;
        let exit = lock(&process.state).exit;
        Ok(Response::new(WaitProcessResponse { exit }))
    }

    async fn list_processes(&self, request: Request<ListProcessesRequest>) -> Answer<ListProcessesResponse> {
        let running_only = request.into_inner().running_only;
        let processes = self.table.list();
        let described = processes.iter().map(|process| process.describe(&lock(&process.state)));
        let processes = described.filter(|process| !running_only || process.exit.is_none()).collect();
        Ok(Response::new(ListProcessesResponse { processes }))
    }
}

/// Who reads, where the call says so.
fn reader_name<T>(request: &Request<T>) -> Option<String> {
    let name = request.metadata().get(READER)?.to_str().ok()?;
    (1..=MAX_READER).contains(&name.len()).then(|| name.to_owned())
}

/// What a reader reads, as a stream.
fn events(reader: Reader) -> impl futures_util::Stream<Item = ProcessEvent> + Send {
    stream::unfold(reader, async |mut reader| reader.next().await.map(|event| (event, reader)))
}

/// Ends a stream of events when what the caller sends is refused.
fn until_refused(events: Answers<ExecResponse>, refused: oneshot::Receiver<Status>) -> Answers<ExecResponse> {
    let step = async |(mut events, refused): (Answers<ExecResponse>, Option<oneshot::Receiver<Status>>)| {
        let Some(mut receiver) = refused else {
            return events.next().await.map(|event| (event, (events, None)));
        };
        tokio::select! {
            biased;
            refusal = &mut receiver => match refusal {
                Ok(status) => Some((Err(status), (stream::empty().boxed(), None))),
                // Everything that the caller sends was taken.
                Err(_) => events.next().await.map(|event| (event, (events, None))),
            },
            event = events.next() => event.map(|event| (event, (events, Some(receiver)))),
        }
    };
    stream::unfold((events, Some(refused)), step).boxed()
}

/// Carries out what the caller of Exec sends after the start.
async fn feed(mut requests: Streaming<ExecRequest>, process: Arc<Process>, refuse: oneshot::Sender<Status>) {
    // Where in all of stdin the caller's next bytes belong: one who lost the connection may repeat them over another
    // while what was under way here is still being written.
    let mut offset = process.stdin.accepted();
    loop {
        let part = match requests.message().await {
            Ok(Some(ExecRequest { request: Some(part) })) => part,
            Ok(Some(ExecRequest { request: None })) => continue,
            Ok(None) => return process.stdin.end().await,
            // The connection is gone: stdin stays open for whoever takes up again.
            Err(_) => return,
        };
        if let Err(status) = carry_out(part, &process, &mut offset).await {
            let _ = refuse.send(status);
            return;
        }
    }
}

async fn carry_out(part: ExecPart, process: &Process, offset: &mut u64) -> Result<(), Status> {
    match part {
        ExecPart::Start(_) => return Err(invalid("start comes first, and once")),
        ExecPart::Stdin(data) => {
            check_chunk(&data)?;
            // What comes next begins where the last ended, so there is no gap, unless nobody reads any more.
            let _ = process.stdin.write(Some(*offset), &data).await;
            *offset += data.len() as u64;
        }
        ExecPart::StdinEnd(_) => process.stdin.end().await,
        ExecPart::Resize(size) => resize(process, Some(&size))?,
        ExecPart::Signal(signal) => drop(deliver(process, signal)?),
    }
    Ok(())
}

fn check_chunk(data: &[u8]) -> Result<(), Status> {
    if data.len() > MAX_CHUNK {
        return Err(Status::resource_exhausted(format!(
            "A chunk has at most {MAX_CHUNK} bytes: {}",
            data.len()
        )));
    }
    Ok(())
}

fn resize(process: &Process, size: Option<&TerminalSize>) -> Result<(), Status> {
    let no_terminal = || Status::failed_precondition(format!("The process has no terminal: {}", process.id));
    let terminal = process.terminal.as_ref().ok_or_else(no_terminal)?;
    set_size(terminal, size).map_err(|error| status("set the terminal's size", &error))
}

fn deliver(process: &Process, signal: Signal) -> Result<bool, Status> {
    let number = i32::try_from(signal.number).ok().filter(|number| (1..=64).contains(number));
    let number = number.ok_or_else(|| invalid(format!("A signal is 1 to 64: {}", signal.number)))?;
    let target = match SignalTarget::try_from(signal.target) {
        Ok(SignalTarget::Unspecified | SignalTarget::Group) => SignalTarget::Group,
        Ok(SignalTarget::Leader) => SignalTarget::Leader,
        Err(_) => {
            return Err(invalid(format!("signal.target is unknown: {}", signal.target)));
        }
    };
    // Noted first: the end that it brings must find it.
    lock(&process.state).signals_sent |= 1 << (number % 64);
    Ok(send(process, number, target))
}
