//! `AgentService`: what the guest is, how it is, and what happens in it.

use crate::api::agent_service_server::AgentService;
use crate::api::{
    AgentState, BootStep, Disk, GetHealthRequest, GetHealthResponse, GetInfoRequest, GetInfoResponse,
    PingRequest, PingResponse, WatchEventsRequest, WatchEventsResponse,
};
use crate::clock;
use crate::errors::invalid;
use crate::events::{Events, Watcher};
use crate::process::table::Table;
use crate::procfs;
use crate::state::Guest;
use futures_util::stream::{self, BoxStream, StreamExt};
use std::fs::read_to_string;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tonic::{Request, Response, Status};

/// Counts the compatible additions to the API.
const PROTOCOL_REVISION: u32 = 3;
/// Where kelpie-init keeps the boot's steps: lines of `SECONDS.MICROSECONDS NAME`.
const BOOT_TRACE: &str = "/run/kelpie/boot-trace";
/// The variable in which kelpie-init counts.
const RESTARTS: &str = "KELPIE_AGENT_RESTARTS";
const MAX_PING: usize = 64 * 1024;
const MAX_STEPS: usize = 256;
const MAX_DISKS: usize = 64;

/// The service.
pub struct Agent {
    pub guest: Arc<Guest>,
    pub table: Arc<Table>,
    pub events: Arc<Events>,
    pub sessions: Arc<AtomicU32>,
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl AgentService for Agent {
    type WatchEventsStream = BoxStream<'static, Result<WatchEventsResponse, Status>>;

    async fn ping(&self, request: Request<PingRequest>) -> Answer<PingResponse> {
        let payload = request.into_inner().payload;
        if payload.len() > MAX_PING {
            return Err(invalid(format!("payload has at most {MAX_PING} bytes: {}", payload.len())));
        }
        Ok(Response::new(PingResponse { payload, now_boot_ns: clock::boot_ns() }))
    }

    async fn get_info(&self, _: Request<GetInfoRequest>) -> Answer<GetInfoResponse> {
        let uname = rustix::system::uname();
        let text = |name: &std::ffi::CStr| name.to_string_lossy().into_owned();
        let memory = procfs::memory();
        Ok(Response::new(GetInfoResponse {
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            protocol_revision: PROTOCOL_REVISION,
            kernel_release: text(uname.release()),
            machine: text(uname.machine()),
            image_version: first_line("/etc/kelpie-version"),
            hostname: text(uname.nodename()),
            boot_id: first_line("/proc/sys/kernel/random/boot_id"),
            instance_id: self.guest.instance_id(),
            features: self.features(),
            boot_trace: parse_trace(&read_to_string(BOOT_TRACE).unwrap_or_default()),
            cpus: std::thread::available_parallelism()
                .map_or(1, |count| u32::try_from(count.get()).unwrap_or(u32::MAX)),
            memory_total_bytes: memory.total_bytes,
        }))
    }

    async fn get_health(&self, _: Request<GetHealthRequest>) -> Answer<GetHealthResponse> {
        let disks = tokio::task::spawn_blocking(disks).await.unwrap_or_default();
        Ok(Response::new(GetHealthResponse {
            uptime_ms: procfs::uptime_ms(),
            now_unix_ns: clock::unix_ns(),
            load_milli: procfs::load_milli(),
            memory: Some(procfs::memory()),
            disks,
            processes_total: procfs::processes_total(),
            processes_running: u32::try_from(self.table.running()).unwrap_or(u32::MAX),
            oom_kills: procfs::oom_kills(),
            agent_restarts: restarts(),
            agent_resident_bytes: procfs::own_resident_bytes(),
            sessions: self.sessions.load(Ordering::Relaxed),
            state: AgentState::from(self.guest.stage()).into(),
            idle_ms: u64::try_from(self.guest.activity.idle().as_millis()).unwrap_or(u64::MAX),
        }))
    }

    async fn watch_events(&self, request: Request<WatchEventsRequest>) -> Answer<Self::WatchEventsStream> {
        let watcher = Watcher::new(Arc::clone(&self.events), request.into_inner().after);
        let step = async |mut watcher: Watcher| Some((Ok(watcher.next().await), watcher));
        Ok(Response::new(stream::unfold(watcher, step).boxed()))
    }
}

impl Agent {
    fn features(&self) -> Vec<String> {
        let cgroups = &self.table.cgroups;
        let present = [("pidfd", true), ("cgroup", cgroups.has_limits()), ("freeze", cgroups.is_present())];
        let others =
            [("pty", std::path::Path::new("/dev/ptmx").exists()), ("openat2", crate::file::has_openat2())];
        present.into_iter().chain(others).filter(|(_, has)| *has).map(|(name, _)| name.to_owned()).collect()
    }
}

/// What the agent is doing, for those who ask.
impl From<crate::state::Stage> for AgentState {
    fn from(stage: crate::state::Stage) -> Self {
        match stage {
            crate::state::Stage::Ready => Self::Ready,
            crate::state::Stage::Quiesced => Self::Quiesced,
            crate::state::Stage::ShuttingDown => Self::ShuttingDown,
        }
    }
}

fn first_line(path: &str) -> String {
    let text = read_to_string(path).unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}

fn parse_trace(text: &str) -> Vec<BootStep> {
    text.lines().filter_map(parse_step).take(MAX_STEPS).collect()
}

/// `SECONDS.MICROSECONDS NAME`.
fn parse_step(line: &str) -> Option<BootStep> {
    let (time, name) = line.trim().split_once(' ')?;
    let (seconds, micros) = time.split_once('.')?;
    let seconds: u64 = seconds.parse().ok()?;
    let micros: u64 = micros.parse().ok().filter(|_| micros.len() == 6)?;
    let end_boot_ns = seconds.checked_mul(1_000_000_000)? + micros * 1000;
    Some(BootStep { name: name.trim().to_owned(), end_boot_ns, error: String::new() })
}

/// How often kelpie-init has started the agent again.
fn restarts() -> u32 {
    std::env::var(RESTARTS).ok().and_then(|count| count.parse().ok()).unwrap_or(0)
}

/// Mounted file systems that have a size.
#[must_use]
pub fn disks() -> Vec<Disk> {
    let mounts = procfs::mounts(&read_to_string("/proc/self/mountinfo").unwrap_or_default());
    let disk = |mount: procfs::Mount| {
        let figures = rustix::fs::statvfs(&mount.target).ok().filter(|figures| figures.f_blocks > 0)?;
        Some(Disk {
            mount_point: mount.target,
            r#type: mount.kind,
            total_bytes: figures.f_blocks * figures.f_frsize,
            available_bytes: figures.f_bavail * figures.f_frsize,
            inodes_total: figures.f_files,
            inodes_free: figures.f_ffree,
        })
    };
    mounts.into_iter().filter_map(disk).take(MAX_DISKS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_trace_is_read_line_by_line() {
        let steps = parse_trace("0.360012 initrd\n 1.000001 mount /proc\nbad\n1.5 short\n");
        assert_eq!(steps.len(), 2);
        assert_eq!((steps[0].name.as_str(), steps[0].end_boot_ns), ("initrd", 360_012_000));
        assert_eq!(steps[1].name, "mount /proc");
    }
}
