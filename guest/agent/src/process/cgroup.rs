//! A cgroup (v2) for every process, so that limits, a kill and the truth about memory reach all its descendants.

use crate::api::Limits;
use crate::process::lock;
use rustix::fs::{Mode, OFlags};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// The controllers that limits need.
const CONTROLLERS: [&str; 3] = ["memory", "pids", "cpu"];
/// The period that CPU time is shared out in.
const CPU_PERIOD_US: u64 = 100_000;

/// The agent's part of the cgroup tree.
#[derive(Default)]
pub struct Cgroups {
    base: Option<PathBuf>,
    limits: bool,
    /// Cgroups of ended processes that still have descendants in them.
    busy: Mutex<Vec<PathBuf>>,
    /// One that nobody has used, so that a start need not wait for the kernel to make it.
    spare: Mutex<Option<Cgroup>>,
    serial: AtomicU64,
}

/// One process's cgroup; given back with `Cgroups::release`.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
}

impl Cgroups {
    /// Makes `name` below the agent's own cgroup, and ends what an earlier agent has left in it. Without cgroup v2, or
    /// the right to change it, there are no cgroups.
    #[must_use]
    pub fn open(name: &str) -> Self {
        let Some(parent) = own_cgroup() else {
            return Self::default();
        };
        let base = parent.join(name);
        let _ = fs::create_dir(&base);
        for leftover in subdirectories(&base) {
            let _ = fs::write(leftover.join("cgroup.kill"), "1");
            let _ = fs::remove_dir(leftover);
        }
        let usable = fs::write(base.join("cgroup.max.descendants"), "max").is_ok();
        // What the parent hands on already need not be ours to say.
        let _ = hand_on_controllers(&parent);
        let limits = usable && hand_on_controllers(&base);
        // What an earlier agent has left may still be going: its names are not used again.
        let serial = AtomicU64::new(crate::clock::boot_ns());
        Self { base: usable.then_some(base), limits, busy: Mutex::default(), spare: Mutex::default(), serial }
    }

    /// Whether limits can be set.
    #[must_use]
    pub fn has_limits(&self) -> bool {
        self.limits
    }

    /// Whether there are cgroups at all.
    #[must_use]
    pub fn is_present(&self) -> bool {
        self.base.is_some()
    }

    /// A fresh cgroup with these limits; none where there are no cgroups.
    ///
    /// # Errors
    /// The kernel's; EOPNOTSUPP when limits are wanted where none can be set.
    pub fn create(&self, limits: Option<&Limits>) -> io::Result<Option<Cgroup>> {
        let wanted = limits.is_some_and(|limits| *limits != Limits::default());
        if wanted && !self.limits {
            return Err(rustix::io::Errno::OPNOTSUPP.into());
        }
        let Some(base) = &self.base else {
            return Ok(None);
        };
        let spare = lock(&self.spare).take();
        let cgroup = match spare {
            Some(cgroup) => cgroup,
            None => self.make(base)?,
        };
        match limits.filter(|_| wanted).map(|limits| cgroup.limit(limits)) {
            Some(Err(error)) => {
                self.release(Some(cgroup));
                Err(error)
            }
            _ => Ok(Some(cgroup)),
        }
    }

    /// Makes a cgroup for the next start, if there is none.
    pub fn prepare(&self) {
        self.sweep();
        let mut spare = lock(&self.spare);
        if let (None, Some(base)) = (&*spare, &self.base) {
            *spare = self.make(base).ok();
        }
    }

    fn make(&self, base: &Path) -> io::Result<Cgroup> {
        let cgroup = Cgroup { path: base.join(self.serial.fetch_add(1, Ordering::Relaxed).to_string()) };
        fs::create_dir(&cgroup.path)?;
        Ok(cgroup)
    }

    /// Removes a cgroup, if there is one; one with processes in it is removed later.
    pub fn release(&self, cgroup: Option<Cgroup>) {
        let Some(cgroup) = cgroup else {
            return;
        };
        if fs::remove_dir(&cgroup.path).is_err() {
            lock(&self.busy).push(cgroup.path);
        }
    }

    /// Freezes or thaws all processes; false where there are no cgroups.
    #[must_use]
    pub fn set_frozen(&self, frozen: bool) -> bool {
        let value = if frozen { "1" } else { "0" };
        self.base.as_ref().is_some_and(|base| fs::write(base.join("cgroup.freeze"), value).is_ok())
    }

    fn sweep(&self) {
        lock(&self.busy).retain(|path| fs::remove_dir(path).is_err() && path.exists());
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        self.sweep();
        if let Some(spare) = lock(&self.spare).take() {
            let _ = fs::remove_dir(spare.path);
        }
        if let Some(base) = &self.base {
            let _ = fs::remove_dir(base);
        }
    }
}

impl Cgroup {
    /// Its directory, for a process to start in.
    ///
    /// # Errors
    /// The kernel's.
    pub fn directory(&self) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(rustix::fs::open(&self.path, flags, Mode::empty())?)
    }

    /// Kills everything in it.
    ///
    /// # Errors
    /// The kernel's; ENOENT before Linux 5.14.
    pub fn kill(&self) -> io::Result<()> {
        fs::write(self.path.join("cgroup.kill"), "1")
    }

    /// How many of its processes the kernel has killed for want of memory.
    #[must_use]
    pub fn oom_kills(&self) -> u64 {
        let events = fs::read_to_string(self.path.join("memory.events")).unwrap_or_default();
        crate::procfs::field(&events, "oom_kill").unwrap_or(0)
    }

    /// The most memory it has had; 0 where the kernel does not say (before Linux 5.19).
    #[must_use]
    pub fn peak_bytes(&self) -> u64 {
        let mut peak = [0; 32];
        // A number comes in one piece.
        let length = File::open(self.path.join("memory.peak")).and_then(|mut file| file.read(&mut peak));
        let text = length.ok().and_then(|length| std::str::from_utf8(&peak[..length]).ok());
        text.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }

    fn limit(&self, limits: &Limits) -> io::Result<()> {
        let write = |file: &str, value: String| fs::write(self.path.join(file), value);
        if limits.memory_max_bytes > 0 {
            write("memory.max", limits.memory_max_bytes.to_string())?;
            write("memory.oom.group", "1".to_owned())?;
            let swap = write("memory.swap.max", limits.swap_max_bytes.unwrap_or(0).to_string());
            // A kernel without swap has no such file, and nothing to limit.
            if limits.swap_max_bytes.is_some() {
                swap?;
            }
        }
        if limits.pids_max > 0 {
            write("pids.max", limits.pids_max.to_string())?;
        }
        if limits.cpu_milli > 0 {
            let quota = u64::from(limits.cpu_milli) * CPU_PERIOD_US / 1000;
            write("cpu.max", format!("{} {CPU_PERIOD_US}", quota.max(1000)))?;
        }
        Ok(())
    }
}

/// Has a cgroup's children get the controllers that limits need; whether they get all of them.
fn hand_on_controllers(cgroup: &Path) -> bool {
    let enable = |what: &str| fs::write(cgroup.join("cgroup.subtree_control"), what).is_ok();
    let each = CONTROLLERS.map(|controller| format!("+{controller}"));
    // Each write takes the kernel milliseconds, so one for all; but that fails as a whole where one is missing.
    enable(&each.join(" ")) || each.iter().filter(|one| enable(one)).count() == each.len()
}

/// Where the agent's own cgroup is mounted.
fn own_cgroup() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    let mount = crate::procfs::mounts(&mounts).into_iter().find(|mount| mount.kind == "cgroup2")?;
    Some(Path::new(&mount.target).join(own.trim_start_matches('/')))
}

fn subdirectories(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}
