//! Puts the agent together: services, sessions, and where they are listened for.

use crate::agent::Agent;
use crate::api;
use crate::dispatch::{Dispatch, DispatchBuilder, GrpcService, MAX_MESSAGE};
use crate::events::Events;
use crate::file::service::Files;
use crate::log;
use crate::process::cgroup::Cgroups;
use crate::process::service::Processes;
use crate::process::table::Table;
use crate::procfs;
use crate::session::{Sessions, listen, ports};
use crate::state::Guest;
use crate::system::service::System;
use crate::vitals;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

/// The vsock port.
const VSOCK_PORT: u32 = 5123;
/// What is there where the kernel has vsock.
const VSOCK_DEVICE: &str = "/dev/vsock";
/// The agent's cgroup in a VM.
const CGROUP: &str = "kelpie";
/// How long a host may be silent before its session is taken for dead.
const PATIENCE: Duration = Duration::from_secs(30);
/// The part of the memory that output buffers may take, as a divisor.
const OUTPUT_SHARE: u64 = 8;

/// Where the agent is reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// On every port and on vsock, as in a VM.
    Vm,
    /// On a Unix socket alone, as in a container or a test.
    Unix(PathBuf),
}

/// How the agent runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    pub place: Place,
    /// The name of the agent's cgroup, below its own; none: no cgroups.
    pub cgroup: Option<String>,
    /// How long a host may be silent.
    pub patience: Duration,
}

impl Options {
    /// Reads the command line: `[--unix PATH] [--cgroup NAME] [--patience SECONDS]`.
    ///
    /// # Errors
    /// A sentence for the person who wrote it.
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let cgroup = Some(CGROUP.to_owned());
        let mut options = Self { place: Place::Vm, cgroup, patience: PATIENCE };
        let mut named = None;
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                "--unix" => options.place = Place::Unix(value()?.into()),
                "--cgroup" => named = Some(value()?),
                "--patience" => options.patience = seconds(&value()?)?,
                _ => return Err(format!("There is no such option: {word}")),
            }
        }
        if named.is_some() || options.place != Place::Vm {
            options.cgroup = named;
        }
        Ok(options)
    }
}

fn seconds(word: &str) -> Result<Duration, String> {
    let count = word.parse().ok().filter(|count| (1..=86_400).contains(count));
    count.map(Duration::from_secs).ok_or_else(|| format!("--patience takes 1 to 86400 seconds: {word}"))
}

/// Serves until the process is ended.
///
/// # Errors
/// When nothing can be listened on.
pub async fn serve(options: Options) -> io::Result<()> {
    let cgroups = options.cgroup.as_deref().map(Cgroups::open).unwrap_or_default();
    let guest = Arc::new(Guest::default());
    let sessions = sessions(&guest, cgroups, &options);
    match options.place {
        Place::Unix(path) => {
            let socket = listen::unix(&path)?;
            log(format_args!("agent ready"));
            listen::serve_socket(socket, sessions).await
        }
        Place::Vm => {
            // Asking the kernel where there is none would have it look for a module, by a program that takes long. A
            // module that comes later is of no use: the host has chosen by then.
            if Path::new(VSOCK_DEVICE).exists() {
                match listen::vsock(VSOCK_PORT) {
                    Ok(socket) => drop(tokio::spawn(listen::serve_socket(socket, Arc::clone(&sessions)))),
                    Err(error) if is_absence(&error) => {}
                    Err(error) => log(format_args!("error vsock: {error}")),
                }
            }
            log(format_args!("agent ready"));
            ports::serve_ports(sessions).await
        }
    }
}

fn is_absence(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL | Errno::NODEV))
}

fn sessions(guest: &Arc<Guest>, cgroups: Cgroups, options: &Options) -> Arc<Sessions> {
    let events = Arc::new(Events::default());
    let budget = procfs::memory().total_bytes / OUTPUT_SHARE;
    let budget = usize::try_from(budget).unwrap_or(usize::MAX);
    let table = Arc::new(Table::new(cgroups, Arc::clone(&events), Arc::clone(guest), budget));
    tokio::spawn(vitals::watch_over(Arc::clone(&events)));
    let open = Arc::new(AtomicU32::new(0));
    let agent =
        Agent { guest: Arc::clone(guest), table: Arc::clone(&table), events, sessions: Arc::clone(&open) };
    let system = System::new(Arc::clone(guest), Arc::clone(&table), options.place == Place::Vm);
    Arc::new(Sessions::new(dispatch(agent, table, system), open, Arc::clone(guest), options.patience))
}

fn dispatch(agent: Agent, table: Arc<Table>, system: System) -> Dispatch {
    let activity = Arc::clone(&agent.guest.activity);
    DispatchBuilder::default()
        .with_onlooker(
            api::agent_service_server::AgentServiceServer::new(agent).max_decoding_message_size(MAX_MESSAGE),
        )
        .with(
            api::system_service_server::SystemServiceServer::new(system)
                .max_decoding_message_size(MAX_MESSAGE),
        )
        .with(api::file_service_server::FileServiceServer::new(Files).max_decoding_message_size(MAX_MESSAGE))
        .with(
            api::process_service_server::ProcessServiceServer::new(Processes::new(table))
                .max_decoding_message_size(MAX_MESSAGE),
        )
        // Few ask for it, and it takes an emulated guest a good part of its start.
        .with_late_onlooker(reflection)
        .build(activity)
}

/// The API's description, for clients that learn it from the agent.
fn reflection() -> Option<impl GrpcService> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(api::DESCRIPTORS)
        .build_v1()
        .inspect_err(|error| log(format_args!("error reflection: {error}")))
        .ok()
}
