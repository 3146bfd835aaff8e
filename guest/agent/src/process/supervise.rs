//! Looks after a running process: takes its output, ends it in time, and tells the truth about its end.

use super::lock;
use super::outputs::{STDERR, STDOUT, STREAMS};
use super::record::{Process, State};
use super::table::Table;
use crate::api::exit::Status as ExitStatus;
use crate::api::{Exit, ExitCause, SignalTarget, Usage};
use crate::clock;
use crate::procfs;
use crate::sys::{self, Ending, Rusage, watched};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, sleep};

/// How long a descendant that holds the output open may delay the end.
const HELD_GRACE: Duration = Duration::from_millis(100);
/// How long the output of an ended process waits in its pipe for somebody who reads it, where the caller sets no limit.
const UNREAD_GRACE: Duration = Duration::from_secs(60);
/// How long after its end a process's cgroup is taken away: whoever waits for the end is told first.
const TIDY_AFTER: Duration = Duration::from_millis(10);
/// How much is read from a pipe at once: what a pipe holds.
const CHUNK: usize = 64 * 1024;

const SIGTERM: i32 = 15;
const SIGCONT: i32 = 18;
const SIGKILL: i32 = 9;

thread_local! {
    /// Every pipe is read through the same piece of memory: a thousand idle processes take none.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; CHUNK]);
}

type Pipe = Arc<AsyncFd<OwnedFd>>;

/// What a process is looked after by.
pub struct Supervision {
    pidfd: AsyncFd<OwnedFd>,
    pipes: [Option<Pipe>; STREAMS],
    oom_kills_before: u64,
}

impl Supervision {
    /// Over a process's pidfd and the non-blocking ends of its outputs.
    ///
    /// # Errors
    /// When the runtime cannot watch them.
    pub fn new(pidfd: OwnedFd, outputs: [Option<OwnedFd>; STREAMS], has_cgroup: bool) -> io::Result<Self> {
        let [stdout, stderr] = outputs;
        let pipe =
            |fd: Option<OwnedFd>| fd.map(|fd| watched(fd, Interest::READABLE).map(Arc::new)).transpose();
        Ok(Self {
            pidfd: watched(pidfd, Interest::READABLE)?,
            pipes: [pipe(stdout)?, pipe(stderr)?],
            // A cgroup knows its own; without one the guest's count has to do.
            oom_kills_before: if has_cgroup { 0 } else { procfs::oom_kills() },
        })
    }

    /// Looks after the process from now on.
    pub fn begin(self, table: Arc<Table>, process: Arc<Process>) {
        for (stream, pipe) in self.pipes.iter().enumerate() {
            if let Some(pipe) = pipe {
                tokio::spawn(pump(Arc::clone(&process), stream, Arc::clone(pipe)));
            }
        }
        tokio::spawn(self.supervise(table, process));
    }

    async fn supervise(self, table: Arc<Table>, process: Arc<Process>) {
        let cause = self.until_end(&process).await;
        self.reap(&table, &process, cause);
        self.drain(&process, cause).await;
        let cgroup = {
            let mut state = lock(&process.state);
            let held = self.is_held(&state);
            if let Some(exit) = &mut state.exit {
                exit.output_held = held;
            }
            state.outputs.finish();
            state.cgroup.take()
        };
        process.changed.notify_waiters();
        table.remember(&process);
        sleep(TIDY_AFTER).await;
        table.cgroups.release(cgroup);
        table.cgroups.prepare();
    }

    /// Waits for the leader's end, and brings it about when the time has come. Says why it did; the first reason stays.
    async fn until_end(&self, process: &Process) -> Option<ExitCause> {
        let started = Instant::now();
        let mut stop = process.stop.subscribe();
        let mut cause = None;
        let mut kill_at = None;
        let mut alone_since = Some(started).filter(|_| lock(&process.state).outputs.attached() == 0);
        loop {
            let due = |limit: Option<Duration>, since: Option<Instant>| match cause {
                None => limit.zip(since).map(|(limit, since)| since + limit),
                Some(_) => None,
            };
            let now_cause = tokio::select! {
                _ = self.pidfd.readable() => return cause,
                () = at(due(process.limits.timeout, Some(started))) => ExitCause::TimedOut,
                () = at(due(process.limits.orphan_timeout, alone_since)) => ExitCause::Orphaned,
                () = at(kill_at) => {
                    send(process, SIGKILL, SignalTarget::Group);
                    kill_at = None;
                    continue;
                }
                () = process.attachment.notified() => {
                    let attached = lock(&process.state).outputs.attached() > 0;
                    alone_since = if attached { None } else { alone_since.or_else(|| Some(Instant::now())) };
                    continue;
                }
                Ok(()) = stop.changed() => match *stop.borrow_and_update() {
                    Some(reason) if cause.is_none() => reason,
                    _ => continue,
                }
            };
            cause = Some(now_cause);
            if process.limits.grace.is_zero() {
                send(process, SIGKILL, SignalTarget::Group);
            } else {
                send(process, SIGTERM, SignalTarget::Group);
                // A stopped process would not notice.
                send(process, SIGCONT, SignalTarget::Group);
                kill_at = Some(Instant::now() + process.limits.grace);
            }
        }
    }

    /// Reaps the leader and writes down how it ended.
    fn reap(&self, table: &Table, process: &Process, cause: Option<ExitCause>) {
        if cause.is_some() {
            // What was told to end ends as a whole. While the leader is not reaped the group's number is its own.
            send(process, SIGKILL, SignalTarget::Group);
        }
        let ended_ns = clock::boot_ns();
        {
            let mut state = lock(&process.state);
            let (ending, rusage) = sys::reap(process.pid).unwrap_or((Ending::Code(255), Rusage::default()));
            let oom = match (&state.cgroup, ending) {
                (Some(cgroup), Ending::Signal { number: 9, .. } | Ending::Code(137)) => {
                    cgroup.oom_kills() > 0
                }
                (None, Ending::Signal { number: 9, .. }) => procfs::oom_kills() > self.oom_kills_before,
                _ => false,
            };
            let own = match ending {
                _ if oom => ExitCause::OutOfMemory,
                Ending::Signal { number, .. } if state.signals_sent >> (number % 64) & 1 == 1 => {
                    ExitCause::Signalled
                }
                _ => ExitCause::Own,
            };
            let peak = state.cgroup.as_ref().map_or(0, super::cgroup::Cgroup::peak_bytes);
            let output_held = self.is_held(&state);
            state.exit = Some(Exit {
                status: Some(match ending {
                    Ending::Code(code) => ExitStatus::Code(code.into()),
                    Ending::Signal { number, .. } => ExitStatus::Signal(number.into()),
                }),
                core_dumped: matches!(ending, Ending::Signal { core_dumped: true, .. }),
                cause: cause.unwrap_or(own).into(),
                duration_ns: ended_ns.saturating_sub(process.started_boot_ns),
                usage: Some(usage(rusage, peak)),
                output_held,
            });
        }
        process.stdin.abandon();
        process.ended.send_replace(true);
        process.changed.notify_waiters();
        table.events.process_ended(&process.id);
        if lock(&process.state).exit.is_some_and(|exit| exit.cause() == ExitCause::OutOfMemory) {
            table.events.suspect();
        }
    }

    /// Waits until what the leader has written is taken: for a pipe all that it held at the end, and then, where a
    /// descendant holds it open, a little longer for one that is about to end too.
    async fn drain(&self, process: &Process, cause: Option<ExitCause>) {
        let marks = [STDOUT, STDERR].map(|stream| match &self.pipes[stream] {
            // A terminal's end comes by itself once its leader is gone; what is under way in it is not counted.
            Some(_) if process.terminal.is_some() => u64::MAX,
            Some(pipe) => {
                let state = lock(&process.state);
                let is_open = state.outputs.is_open(stream);
                let held = if is_open { rustix::io::ioctl_fionread(pipe.get_ref()).unwrap_or(0) } else { 0 };
                state.outputs.total(stream) + held
            }
            None => 0,
        });
        let unread_grace = match cause {
            // Nobody was there for as long as the caller wanted it to be waited for.
            Some(ExitCause::Orphaned) => Duration::ZERO,
            _ => process.limits.orphan_timeout.unwrap_or(UNREAD_GRACE),
        };
        let mut alone_until = None;
        let mut deadline = None;
        loop {
            let mut changed = std::pin::pin!(process.changed.notified());
            changed.as_mut().enable();
            let (closed, taken, held, blocked, alone) = {
                let state = lock(&process.state);
                let streams = [STDOUT, STDERR];
                (
                    streams.iter().all(|&stream| !state.outputs.is_open(stream)),
                    streams.iter().all(|&stream| {
                        !state.outputs.is_open(stream) || state.outputs.total(stream) >= marks[stream]
                    }),
                    self.is_held(&state),
                    streams
                        .iter()
                        .any(|&stream| state.outputs.is_open(stream) && state.outputs.room(stream) == 0),
                    state.outputs.attached() == 0,
                )
            };
            if closed || (taken && !held) {
                return;
            }
            // A slow reader is waited for; only then does the time count.
            let counting = if process.terminal.is_some() { !blocked } else { taken };
            deadline = if counting { deadline.or_else(|| Some(Instant::now() + HELD_GRACE)) } else { None };
            alone_until = if alone && blocked {
                alone_until.or_else(|| Some(Instant::now() + unread_grace))
            } else {
                None
            };
            tokio::select! {
                () = changed => {}
                () = at(deadline) => return,
                () = at(alone_until) => {
                    if lock(&process.state).outputs.attached() == 0 {
                        return;
                    }
                }
            }
        }
    }

    /// Whether somebody can still write to one of the outputs.
    fn is_held(&self, state: &State) -> bool {
        let open = (0..STREAMS).filter(|&stream| state.outputs.is_open(stream));
        open.filter_map(|stream| self.pipes[stream].as_ref()).any(|pipe| {
            let mut fds = [PollFd::new(pipe.get_ref(), PollFlags::IN)];
            let now = Timespec { tv_sec: 0, tv_nsec: 0 };
            poll(&mut fds, Some(&now)).is_ok() && !fds[0].revents().contains(PollFlags::HUP)
        })
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Takes a stream's output as long as there is any and room for it.
async fn pump(process: Arc<Process>, stream: usize, pipe: Pipe) {
    loop {
        let room = loop {
            let room = lock(&process.state).outputs.room(stream);
            if room > 0 {
                break room;
            }
            process.room[stream].notified().await;
        };
        let taken = pipe.async_io(Interest::READABLE, |fd| {
            SCRATCH.with_borrow_mut(|scratch| {
                let limit = room.min(scratch.len());
                let count = rustix::io::read(fd, &mut scratch[..limit])?;
                lock(&process.state).outputs.push(stream, &scratch[..count]);
                Ok(count)
            })
        });
        match taken.await {
            Ok(count) if count > 0 => process.changed.notify_waiters(),
            Err(error) if error.raw_os_error() == Some(Errno::INTR.raw_os_error()) => {}
            // The end; of a terminal it is the error EIO.
            Ok(_) | Err(_) => break,
        }
    }
    lock(&process.state).outputs.close(stream);
    process.changed.notify_waiters();
}

/// Sends a signal; false when there is nobody to get it.
pub fn send(process: &Process, signal: i32, target: SignalTarget) -> bool {
    let state = lock(&process.state);
    // A reaped leader's number may be another's.
    if state.exit.is_some() {
        return false;
    }
    if target == SignalTarget::Leader {
        return sys::kill(process.pid, signal).is_ok();
    }
    let cgroup_hit = signal == SIGKILL && state.cgroup.as_ref().is_some_and(|cgroup| cgroup.kill().is_ok());
    let group_hit = sys::kill(-process.pid, signal).is_ok();
    cgroup_hit || group_hit
}

fn usage(rusage: Rusage, peak_memory_bytes: u64) -> Usage {
    Usage {
        user_cpu_ns: rusage.user_ns,
        system_cpu_ns: rusage.system_ns,
        max_resident_bytes: rusage.max_resident_bytes,
        peak_memory_bytes,
        read_bytes: rusage.read_bytes,
        written_bytes: rusage.written_bytes,
    }
}
