//! `SystemService`: what comes over the wire, checked and handed on.

use super::identity::{reseed, set_hostname, set_machine_id, set_time};
use super::{devices, mount, network};
use crate::api::system_service_server::SystemService;
use crate::api::watch_events_response::Event;
use crate::api::{
    ConfigureNetworkRequest, ConfigureNetworkResponse, ExitCause, FreezeFileSystemRequest,
    FreezeFileSystemResponse, MountRequest, MountResponse, PowerAction, PrepareSnapshotRequest,
    PrepareSnapshotResponse, ReseedRequest, ReseedResponse, ResumeRequest, ResumeResponse,
    SetHostnameRequest, SetHostnameResponse, SetIdleTimeoutRequest, SetIdleTimeoutResponse,
    SetMachineIdRequest, SetMachineIdResponse, SetTimeRequest, SetTimeResponse, ShutdownRequest,
    ShutdownResponse, ShuttingDown, SyncRequest, SyncResponse, ThawFileSystemRequest, ThawFileSystemResponse,
    UnmountRequest, UnmountResponse,
};
use crate::errors::{invalid, status};
use crate::file::blocking::{attempt, run};
use crate::process::lock;
use crate::process::table::Table;
use crate::state::{Guest, Stage};
use crate::sys;
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use std::collections::HashMap;
use std::future::ready;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;
use tonic::{Request, Response, Status};

const DEFAULT_THAW_MS: u32 = 60_000;
const MAX_THAW_MS: u32 = 600_000;

/// What kelpie-init takes for a wish: docs/boot-contract.md, "Power".
const POWER_OFF: i32 = 12;
const REBOOT: i32 = 2;
const HALT: i32 = 10;

/// The service.
pub struct System {
    guest: Arc<Guest>,
    table: Arc<Table>,
    /// Frozen file systems by their mount points, each with what will thaw it.
    frozen: Arc<Mutex<HashMap<String, JoinHandle<()>>>>,
    /// Whether PID 1 is kelpie-init, which may be asked to end the guest.
    in_vm: bool,
}

type Answer<T> = Result<Response<T>, Status>;

impl System {
    /// Over the guest and its processes.
    #[must_use]
    pub fn new(guest: Arc<Guest>, table: Arc<Table>, in_vm: bool) -> Self {
        tokio::spawn(end_when_idle(Arc::clone(&guest), Arc::clone(&table)));
        Self { guest, table, frozen: Arc::default(), in_vm }
    }
}

#[tonic::async_trait]
impl SystemService for System {
    async fn set_time(&self, request: Request<SetTimeRequest>) -> Answer<SetTimeResponse> {
        let moved_ns = set_time(request.into_inner().unix_ns)?;
        Ok(Response::new(SetTimeResponse { moved_ns }))
    }

    async fn reseed(&self, request: Request<ReseedRequest>) -> Answer<ReseedResponse> {
        reseed(&request.into_inner().entropy)?;
        Ok(Response::new(ReseedResponse {}))
    }

    async fn set_hostname(&self, request: Request<SetHostnameRequest>) -> Answer<SetHostnameResponse> {
        set_hostname(&request.into_inner().hostname)?;
        Ok(Response::new(SetHostnameResponse {}))
    }

    async fn set_machine_id(&self, request: Request<SetMachineIdRequest>) -> Answer<SetMachineIdResponse> {
        set_machine_id(&request.into_inner().machine_id)?;
        Ok(Response::new(SetMachineIdResponse {}))
    }

    async fn mount(&self, request: Request<MountRequest>) -> Answer<MountResponse> {
        let request = request.into_inner();
        let what = format!("mount {}", request.target);
        let patience = devices::patience(request.wait_ms)?;
        let order = Arc::new(mount::order(request)?);
        let attempt = || {
            let order = Arc::clone(&order);
            attempt(move || mount::carry_out(&order))
        };
        devices::retry(patience, attempt).await.map_err(|error| status(what, &error))?;
        Ok(Response::new(MountResponse {}))
    }

    async fn unmount(&self, request: Request<UnmountRequest>) -> Answer<UnmountResponse> {
        let UnmountRequest { target, lazy } = request.into_inner();
        let what = format!("unmount {target}");
        run(what, move || mount::take_away(target.as_ref(), lazy)).await?;
        Ok(Response::new(UnmountResponse {}))
    }

    async fn sync(&self, _: Request<SyncRequest>) -> Answer<SyncResponse> {
        sync().await?;
        Ok(Response::new(SyncResponse {}))
    }

    async fn freeze_file_system(
        &self,
        request: Request<FreezeFileSystemRequest>,
    ) -> Answer<FreezeFileSystemResponse> {
        let FreezeFileSystemRequest { mount_point, thaw_after_ms } = request.into_inner();
        let after = if thaw_after_ms == 0 { DEFAULT_THAW_MS } else { thaw_after_ms };
        if after > MAX_THAW_MS {
            return Err(invalid(format!("thaw_after_ms is at most {MAX_THAW_MS}: {after}")));
        }
        // The descriptor is kept for the thaw: nothing may have to be looked up in a file system that stands still.
        let path = mount_point.clone();
        let directory = run(format!("freeze {mount_point}"), move || {
            let directory = open_directory(&path)?;
            sys::set_frozen(&directory, true)?;
            Ok(directory)
        })
        .await?;
        let frozen = Arc::clone(&self.frozen);
        let key = mount_point.clone();
        let thaw = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(after.into())).await;
            let _ = sys::set_frozen(&directory, false);
            lock(&frozen).remove(&key);
        });
        lock(&self.frozen).insert(mount_point, thaw);
        Ok(Response::new(FreezeFileSystemResponse {}))
    }

    async fn thaw_file_system(
        &self,
        request: Request<ThawFileSystemRequest>,
    ) -> Answer<ThawFileSystemResponse> {
        let mount_point = request.into_inner().mount_point;
        if let Some(thaw) = lock(&self.frozen).remove(&mount_point) {
            thaw.abort();
        }
        let path = mount_point.clone();
        run(format!("thaw {mount_point}"), move || sys::set_frozen(open_directory(&path)?, false)).await?;
        Ok(Response::new(ThawFileSystemResponse {}))
    }

    async fn configure_network(
        &self,
        request: Request<ConfigureNetworkRequest>,
    ) -> Answer<ConfigureNetworkResponse> {
        let ConfigureNetworkRequest { network, wait_ms } = request.into_inner();
        let patience = devices::patience(wait_ms)?;
        let settings = network::settings(&network.unwrap_or_default())?;
        let there = || ready(if network::are_there(&settings) { Ok(()) } else { Err(Errno::NODEV.into()) });
        devices::retry(patience, there).await.map_err(|error| status("find the interfaces", &error))?;
        network::apply(&settings)?;
        Ok(Response::new(ConfigureNetworkResponse {}))
    }

    async fn prepare_snapshot(
        &self,
        request: Request<PrepareSnapshotRequest>,
    ) -> Answer<PrepareSnapshotResponse> {
        let keep_running = request.into_inner().keep_running;
        self.guest.enter(Stage::Ready, Stage::Quiesced)?;
        self.table.accept(false);
        let processes_frozen = !keep_running && self.table.cgroups.set_frozen(true);
        // The first process after the snapshot finds it made.
        self.table.cgroups.prepare();
        if let Err(error) = sync().await {
            self.go_on();
            return Err(error);
        }
        self.guest.end_sessions();
        Ok(Response::new(PrepareSnapshotResponse { processes_frozen }))
    }

    async fn resume(&self, request: Request<ResumeRequest>) -> Answer<ResumeResponse> {
        let request = request.into_inner();
        // Everything is checked before anything is changed.
        let network = request.network.as_ref().map(network::settings).transpose()?;
        if !request.entropy.is_empty() {
            reseed(&request.entropy)?;
        }
        if request.unix_ns > 0 {
            set_time(request.unix_ns)?;
        }
        if !request.hostname.is_empty() {
            set_hostname(&request.hostname)?;
        }
        if !request.machine_id.is_empty() {
            set_machine_id(&request.machine_id)?;
        }
        network.as_ref().map_or(Ok(()), network::apply)?;
        let instance_id = self.guest.renew_instance_id();
        self.go_on();
        Ok(Response::new(ResumeResponse { instance_id }))
    }

    async fn shutdown(&self, request: Request<ShutdownRequest>) -> Answer<ShutdownResponse> {
        let action = request.into_inner().action;
        let signal = match PowerAction::try_from(action) {
            Ok(PowerAction::Unspecified | PowerAction::PowerOff) => POWER_OFF,
            Ok(PowerAction::Reboot) => REBOOT,
            Ok(PowerAction::Halt) => HALT,
            Err(_) => return Err(invalid(format!("action is unknown: {action}"))),
        };
        if !self.in_vm {
            return Err(not_a_machine());
        }
        go_down(&self.guest, &self.table, signal);
        Ok(Response::new(ShutdownResponse {}))
    }

    async fn set_idle_timeout(
        &self,
        request: Request<SetIdleTimeoutRequest>,
    ) -> Answer<SetIdleTimeoutResponse> {
        let timeout_ms = request.into_inner().timeout_ms;
        if !self.in_vm {
            return Err(not_a_machine());
        }
        self.guest.activity.set_limit((timeout_ms > 0).then(|| Duration::from_millis(timeout_ms)));
        Ok(Response::new(SetIdleTimeoutResponse {}))
    }
}

fn not_a_machine() -> Status {
    Status::failed_precondition("This agent is not in a machine of its own")
}

/// Has PID 1 end the guest by `signal`.
fn go_down(guest: &Guest, table: &Table, signal: i32) {
    guest.set_stage(Stage::ShuttingDown);
    table.accept(false);
    table.events.add(Event::ShuttingDown(ShuttingDown {}));
    for process in table.list() {
        process.stop.send_replace(Some(ExitCause::Shutdown));
    }
    // PID 1 is asked once an answer has had time to leave.
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(20)).await;
        if let Err(error) = sys::kill(1, signal) {
            crate::log(format_args!("error shutdown: {error}"));
        }
    });
}

/// Ends the guest when nothing was done in it for as long as was asked for.
async fn end_when_idle(guest: Arc<Guest>, table: Arc<Table>) {
    let idle = guest.activity.exhausted().await;
    crate::log(format_args!("idle for {} s: powering off", idle.as_secs()));
    go_down(&guest, &table, POWER_OFF);
}

impl System {
    /// Lets processes go on and new ones start.
    fn go_on(&self) {
        let _ = self.table.cgroups.set_frozen(false);
        self.table.accept(true);
        self.guest.set_stage(Stage::Ready);
    }
}

async fn sync() -> Result<(), Status> {
    let work = || {
        rustix::fs::sync();
        Ok(())
    };
    run("write everything to the disks", work).await
}

fn open_directory(path: &str) -> io::Result<OwnedFd> {
    Ok(open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// What stands in the way of a stage.
impl Guest {
    fn enter(&self, from: Stage, to: Stage) -> Result<(), Status> {
        let stage = self.stage();
        if stage != from {
            return Err(Status::failed_precondition(format!("The guest is {stage:?}, not {from:?}")));
        }
        self.set_stage(to);
        Ok(())
    }
}
