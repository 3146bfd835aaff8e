//! Finds the virtio-serial ports that are ours, those that are there and those that appear later.

use super::Sessions;
use super::link::Link;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::fs::{Mode, OFlags};
use std::collections::HashSet;
use std::io;
use std::mem::MaybeUninit;
use std::path::Path;
use std::sync::Arc;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Where the kernel lists the ports, one directory each, named as the device node.
const CLASS: &str = "/sys/class/virtio-ports";
/// What our ports' names start with.
const NAME_PREFIX: &str = "kelpie.agent.";
/// More ports than this are not served.
const MAX_PORTS: usize = 64;

/// Serves every port, for ever.
///
/// # Errors
/// When /dev cannot be watched.
pub async fn serve_ports(sessions: Arc<Sessions>) -> io::Result<()> {
    let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
    inotify::add_watch(&inotify, "/dev", WatchFlags::CREATE)?;
    let inotify = crate::sys::watched(inotify, Interest::READABLE)?;
    let mut served = HashSet::new();
    loop {
        // A port that went is forgotten, so that another may have its name.
        served.retain(|name: &String| Path::new(CLASS).join(name).exists());
        for name in our_ports() {
            if served.len() < MAX_PORTS && served.insert(name.clone()) {
                let sessions = Arc::clone(&sessions);
                tokio::spawn(async move {
                    match open(&name) {
                        Ok(link) => sessions.serve(link).await,
                        Err(error) => crate::log(format_args!("error open {name}: {error}")),
                    }
                });
            }
        }
        new_port(&inotify).await?;
    }
}

fn open(name: &str) -> io::Result<Link> {
    let path = Path::new("/dev").join(name);
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    Link::port(rustix::fs::open(path, flags, Mode::empty())?)
}

/// The device names of the ports whose names are ours.
fn our_ports() -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(CLASS) else {
        return Vec::new();
    };
    let ours = |name: &String| {
        std::fs::read_to_string(Path::new(CLASS).join(name).join("name"))
            .is_ok_and(|port| port.starts_with(NAME_PREFIX))
    };
    entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).filter(ours).collect()
}

/// Waits until /dev has a new entry that may be a port.
async fn new_port(inotify: &AsyncFd<std::os::fd::OwnedFd>) -> io::Result<()> {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    loop {
        let mut guard = inotify.readable().await?;
        let mut reader = inotify::Reader::new(inotify.get_ref(), &mut buffer);
        let mut found = false;
        loop {
            match reader.next() {
                Ok(event) => {
                    let name = event.file_name();
                    found |= name.is_none_or(|name| name.to_bytes().starts_with(b"vport"));
                }
                Err(rustix::io::Errno::AGAIN) => break,
                Err(error) => return Err(error.into()),
            }
        }
        guard.clear_ready();
        if found {
            return Ok(());
        }
    }
}
