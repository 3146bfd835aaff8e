//! The processes that run and those that are remembered.

use super::attach::Reader;
use super::cgroup::Cgroups;
use super::departed::Departed;
use super::lock;
use super::outputs::{Outputs, STDERR, STDOUT, STREAMS};
use super::plan::{Plan, Refusal, failure, plan};
use super::record::{Process, State, Timing};
use super::spawn::spawn;
use super::stdin::Stdin;
use super::supervise::Supervision;
use super::users::Users;
use crate::api::{ProcessSpec, SpawnError, SpawnFailure, StartProcessRequest};
use crate::clock;
use crate::errors::{errno_name, invalid};
use crate::events::Events;
use crate::state::Guest;
use crate::sys;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::{Notify, oneshot, watch};
use tonic::Status;

/// How many processes may run at once.
const MAX_RUNNING: usize = 1024;
/// How many ended ones are remembered as a whole.
const MAX_ENDED: usize = 256;
/// How much output of ended ones is kept.
const MAX_ENDED_OUTPUT: usize = 4 * 1024 * 1024;
/// The least an output buffer has, when others have taken all the memory that is meant for them.
const MIN_BUFFER: usize = 64 * 1024;
/// How much of argv is told.
const MAX_ARGV: usize = 4096;

/// What came of a start.
pub type Outcome = Result<Arc<Process>, SpawnFailure>;

enum Slot {
    Starting(watch::Receiver<Option<Outcome>>),
    Known(Arc<Process>),
}

/// All processes.
pub struct Table {
    slots: Mutex<HashMap<String, Slot>>,
    /// The ended ones, oldest first.
    ended: Mutex<VecDeque<Arc<Process>>>,
    /// The ends of those before.
    departed: Mutex<Departed>,
    pub cgroups: Cgroups,
    pub events: Arc<Events>,
    guest: Arc<Guest>,
    serial: AtomicU64,
    running: AtomicUsize,
    output_budget: usize,
    output_reserved: AtomicUsize,
    accepting: AtomicBool,
}

impl Table {
    /// No processes yet. Output buffers above the least size take no more than `output_budget` bytes together.
    #[must_use]
    pub fn new(cgroups: Cgroups, events: Arc<Events>, guest: Arc<Guest>, output_budget: usize) -> Self {
        Self {
            slots: Mutex::default(),
            ended: Mutex::default(),
            departed: Mutex::default(),
            cgroups,
            events,
            guest,
            serial: AtomicU64::new(0),
            running: AtomicUsize::new(0),
            output_budget,
            output_reserved: AtomicUsize::new(0),
            accepting: AtomicBool::new(true),
        }
    }

    /// Whether new processes are started.
    pub fn accept(&self, accepting: bool) {
        self.accepting.store(accepting, Ordering::Relaxed);
    }

    /// How many run.
    pub fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    /// Starts a process, or finds the one of this id. A process that is started for a caller who reads it is handed
    /// over as a `first` reader, who was there before its first byte.
    ///
    /// # Errors
    /// A status when the request breaks the API's rules or nothing is started now.
    pub async fn start(
        self: &Arc<Self>,
        request: StartProcessRequest,
        first: Option<oneshot::Sender<Reader>>,
    ) -> Result<Outcome, Status> {
        let StartProcessRequest { id, spec, instance_id } = request;
        let spec = spec.ok_or_else(|| invalid("spec is missing"))?;
        let id = if id.is_empty() { self.make_id() } else { checked_id(id)? };
        let mut outcome = match self.reserve(&id, &spec, &instance_id)? {
            Reservation::Known(process) => return Ok(Ok(process)),
            Reservation::Failed(failure) => return Ok(Err(failure)),
            Reservation::Starting(outcome) => outcome,
            Reservation::Ours { plan, outcome, announce } => {
                // A task of its own: a caller that leaves must not leave a process that nobody looks after.
                tokio::spawn(Arc::clone(self).carry_out(id, spec, plan, first, announce));
                outcome
            }
        };
        let known = outcome.wait_for(Option::is_some).await;
        let outcome = known.ok().and_then(|outcome| outcome.clone());
        outcome.ok_or_else(|| Status::internal("The start was broken off"))
    }

    /// The process of this id.
    ///
    /// # Errors
    /// `NOT_FOUND`.
    pub fn find(&self, id: &str) -> Result<Arc<Process>, Status> {
        let slots = lock(&self.slots);
        let known = match slots.get(id) {
            Some(Slot::Known(process)) => Some(Arc::clone(process)),
            Some(Slot::Starting(_)) => None,
            None => lock(&self.departed).find(id),
        };
        known.ok_or_else(|| Status::not_found(format!("There is no process of this id: {id}")))
    }

    /// All processes, in the order of their start.
    pub fn list(&self) -> Vec<Arc<Process>> {
        let mut processes: Vec<_> = lock(&self.slots)
            .values()
            .filter_map(|slot| match slot {
                Slot::Known(process) => Some(Arc::clone(process)),
                Slot::Starting(_) => None,
            })
            .collect();
        processes.sort_by_key(|process| process.started_boot_ns);
        processes
    }

    /// Takes an ended process among the remembered ones, and lets go of what is too old.
    pub fn remember(&self, process: &Arc<Process>) {
        self.running.fetch_sub(1, Ordering::Relaxed);
        self.output_reserved.fetch_sub(process.reserved, Ordering::Relaxed);
        *lock(&process.busy) = None;
        let mut ended = lock(&self.ended);
        ended.push_back(Arc::clone(process));
        if ended.len() > MAX_ENDED
            && let Some(oldest) = ended.pop_front()
        {
            let mut slots = lock(&self.slots);
            lock(&self.departed).add(&oldest);
            slots.remove(&oldest.id);
            drop(slots);
            lock(&oldest.state).outputs.retire();
            oldest.room.iter().for_each(Notify::notify_one);
        }
        let mut held: usize = ended.iter().map(|process| lock(&process.state).outputs.held()).sum();
        for process in ended.iter() {
            let mut state = lock(&process.state);
            // Somebody who still reads is given the time; there are no more of those than were running.
            if held > MAX_ENDED_OUTPUT && state.outputs.attached() == 0 {
                held -= state.outputs.held();
                state.outputs.retire();
                process.room.iter().for_each(Notify::notify_one);
            }
        }
    }

    fn make_id(&self) -> String {
        // Not a name that a caller would choose by itself.
        format!("p{}-{:x}", self.serial.fetch_add(1, Ordering::Relaxed), clock::boot_ns())
    }

    fn reserve(&self, id: &str, spec: &ProcessSpec, instance_id: &str) -> Result<Reservation, Status> {
        let mut slots = lock(&self.slots);
        match slots.get(id) {
            Some(Slot::Known(process)) => return Ok(Reservation::Known(Arc::clone(process))),
            Some(Slot::Starting(outcome)) => return Ok(Reservation::Starting(outcome.clone())),
            None => {}
        }
        if let Some(process) = lock(&self.departed).find(id) {
            return Ok(Reservation::Known(process));
        }
        self.guest.expect_instance(instance_id)?;
        if !self.accepting.load(Ordering::Relaxed) {
            return Err(Status::failed_precondition(
                "No process is started between PrepareSnapshot and Resume",
            ));
        }
        let plan = match plan(spec, &Users::default()) {
            Ok(plan) => plan,
            Err(Refusal::Invalid(status)) => return Err(status),
            Err(Refusal::Failure(failure)) => return Ok(Reservation::Failed(failure)),
        };
        if self.running() >= MAX_RUNNING {
            let message = format!("{MAX_RUNNING} processes run already");
            return Ok(Reservation::Failed(failure(SpawnError::Resources, message)));
        }
        self.running.fetch_add(1, Ordering::Relaxed);
        let (announce, outcome) = watch::channel(None);
        slots.insert(id.to_owned(), Slot::Starting(outcome.clone()));
        Ok(Reservation::Ours { plan: Box::new(plan), outcome, announce })
    }

    /// Starts the process, and takes it among the known ones before anybody hears of it.
    async fn carry_out(
        self: Arc<Self>,
        id: String,
        spec: ProcessSpec,
        plan: Box<Plan>,
        first: Option<oneshot::Sender<Reader>>,
        announce: watch::Sender<Option<Outcome>>,
    ) {
        let outcome = match self.make(&id, spec, *plan).await {
            Ok((process, supervision)) => {
                lock(&self.slots).insert(id, Slot::Known(Arc::clone(&process)));
                if let Some(first) = first
                    && let Ok(reader) = Reader::attach(Arc::clone(&process), [0; STREAMS], false)
                {
                    // A caller that left meanwhile does not take it, and dropping it detaches.
                    let _ = first.send(reader);
                }
                supervision.begin(Arc::clone(&self), Arc::clone(&process));
                Ok(process)
            }
            Err(failure) => {
                self.running.fetch_sub(1, Ordering::Relaxed);
                lock(&self.slots).remove(&id);
                Err(failure)
            }
        };
        announce.send_replace(Some(outcome));
    }

    async fn make(
        self: &Arc<Self>,
        id: &str,
        spec: ProcessSpec,
        plan: Plan,
    ) -> Result<(Arc<Process>, Supervision), SpawnFailure> {
        let timing = Timing { timeout: plan.timeout, grace: plan.grace, orphan_timeout: plan.orphan_timeout };
        let (wanted, pause) = (plan.buffer_bytes, plan.pause_unattached);
        let argv = shortened(&spec.argv);
        // All of this on the thread that serves the sessions: another one's wake-up would cost more than the work. What
        // may take long, the child's way to its program, is waited for without holding it.
        let made = self.cgroups.create(spec.limits.as_ref());
        let cgroup = made.map_err(|error| SpawnFailure {
            errno: errno_name(error.raw_os_error().unwrap_or_default()),
            ..failure(SpawnError::LimitRefused, format!("Cannot make a cgroup: {error}"))
        })?;
        let spawned = match spawn(plan, &spec, cgroup.as_ref()).await {
            Ok(spawned) => spawned,
            Err(failure) => {
                self.cgroups.release(cgroup);
                return Err(failure);
            }
        };
        let (capacity, reserved) = self.reserve_output(wanted);
        let open = [spawned.outputs[STDOUT].is_some(), spawned.outputs[STDERR].is_some()];
        let pid = spawned.launched.pid;
        let stdin = Stdin::new(spawned.stdin, spawned.terminal.is_some());
        let supervision = Supervision::new(spawned.launched.pidfd, spawned.outputs, cgroup.is_some());
        let (stdin, supervision) = match stdin.and_then(|stdin| Ok((stdin, supervision?))) {
            Ok(parts) => parts,
            Err(error) => {
                // It runs, but nobody could look after it.
                let _ = sys::kill(-pid, 9);
                let _ = sys::reap(pid);
                self.cgroups.release(cgroup);
                self.output_reserved.fetch_sub(reserved, Ordering::Relaxed);
                return Err(failure(SpawnError::Resources, format!("Cannot watch the process: {error}")));
            }
        };
        let process = Arc::new(Process {
            id: id.to_owned(),
            pid,
            argv,
            started_unix_ns: clock::unix_ns(),
            started_boot_ns: clock::boot_ns(),
            stdin,
            terminal: spawned.terminal,
            limits: timing,
            state: Mutex::new(State {
                outputs: Outputs::new(capacity, open, pause),
                exit: None,
                cgroup,
                signals_sent: 0,
            }),
            changed: Notify::new(),
            room: [Notify::new(), Notify::new()],
            attachment: Notify::new(),
            ended: watch::Sender::new(false),
            stop: watch::Sender::new(None),
            reserved,
            busy: Mutex::new(Some(self.guest.activity.begin())),
        });
        Ok((process, supervision))
    }

    /// How large each of a process's buffers may be, and what that takes of the budget.
    fn reserve_output(&self, wanted: usize) -> (usize, usize) {
        let reserved = wanted * STREAMS;
        let before = self.output_reserved.fetch_add(reserved, Ordering::Relaxed);
        if before + reserved <= self.output_budget {
            return (wanted, reserved);
        }
        self.output_reserved.fetch_sub(reserved, Ordering::Relaxed);
        (MIN_BUFFER, 0)
    }
}

enum Reservation {
    Known(Arc<Process>),
    Starting(watch::Receiver<Option<Outcome>>),
    Failed(SpawnFailure),
    Ours {
        plan: Box<Plan>,
        outcome: watch::Receiver<Option<Outcome>>,
        announce: watch::Sender<Option<Outcome>>,
    },
}

fn checked_id(id: String) -> Result<String, Status> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if id.len() <= 64 && id.bytes().all(allowed) {
        Ok(id)
    } else {
        Err(invalid("A process's id must be 1 to 64 of A-Z a-z 0-9 _ -"))
    }
}

fn shortened(argv: &[String]) -> Vec<String> {
    let mut left = MAX_ARGV;
    let fits = |arg: &&String| {
        let fits = arg.len() < left;
        left = left.saturating_sub(arg.len() + 1);
        fits
    };
    argv.iter().take_while(fits).cloned().collect()
}
