//! Notices what the kernel tells nobody by itself: that it has killed for want of memory, that memory is short, that a
//! disk is nearly full. Looked at every few seconds, and at once when a process of ours went that way, and only while
//! somebody watches the events.

use crate::agent::disks;
use crate::api::watch_events_response::Event;
use crate::api::{Disk, LowDisk, LowMemory, Memory, OutOfMemory};
use crate::events::Events;
use crate::procfs;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How often it is looked at.
const INTERVAL: Duration = Duration::from_secs(5);
/// Less than one part in so many is short; it is so until there is twice as much.
const LOW_SHARE: u64 = 20;

/// What was so when it was last looked at.
#[derive(Default)]
struct Vitals {
    oom_kills: u64,
    low_memory: bool,
    low_disks: BTreeSet<String>,
}

/// Watches over the guest, for ever.
pub async fn watch_over(events: Arc<Events>) {
    let mut vitals = Vitals { oom_kills: procfs::oom_kills(), ..Vitals::default() };
    loop {
        events.watched().await;
        let disks = tokio::task::spawn_blocking(disks).await.unwrap_or_default();
        for event in vitals.look(procfs::oom_kills(), &procfs::memory(), &disks) {
            events.add(event);
        }
        let _ = tokio::time::timeout(INTERVAL, events.suspected()).await;
    }
}

impl Vitals {
    /// What has changed since the last look.
    fn look(&mut self, oom_kills: u64, memory: &Memory, disks: &[Disk]) -> Vec<Event> {
        let mut events = Vec::new();
        if oom_kills > self.oom_kills {
            events.push(Event::OutOfMemory(OutOfMemory { oom_kills }));
        }
        self.oom_kills = oom_kills;
        let available_bytes = memory.available_bytes;
        let low = is_low(self.low_memory, available_bytes, memory.total_bytes);
        if low != self.low_memory {
            events.push(Event::LowMemory(LowMemory { low, available_bytes }));
        }
        self.low_memory = low;
        for disk in disks {
            let was = self.low_disks.contains(&disk.mount_point);
            let low = is_low(was, disk.available_bytes, disk.total_bytes);
            if low == was {
                continue;
            }
            if low {
                self.low_disks.insert(disk.mount_point.clone());
            } else {
                self.low_disks.remove(&disk.mount_point);
            }
            let (mount_point, available_bytes) = (disk.mount_point.clone(), disk.available_bytes);
            events.push(Event::LowDisk(LowDisk { low, mount_point, available_bytes }));
        }
        self.low_disks.retain(|mount_point| disks.iter().any(|disk| disk.mount_point == *mount_point));
        events
    }
}

/// Whether something is short, with a gap between becoming so and ceasing to be.
fn is_low(was: bool, available: u64, total: u64) -> bool {
    let share = total / LOW_SHARE;
    available < if was { share * 2 } else { share }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(available_bytes: u64) -> Memory {
        Memory { total_bytes: 1000, available_bytes, ..Memory::default() }
    }

    #[test]
    fn a_shortage_is_told_once_when_it_comes_and_once_when_it_goes() {
        let mut vitals = Vitals::default();
        let told: Vec<usize> = [500, 49, 10, 60, 99, 100, 60]
            .map(|available| vitals.look(0, &memory(available), &[]).len())
            .into();
        assert_eq!(told, [0, 1, 0, 0, 0, 1, 0]);
    }

    #[test]
    fn each_disk_is_told_of_by_itself_and_forgotten_with_its_mount() {
        let disk = |name: &str, available_bytes| Disk {
            mount_point: name.to_owned(),
            total_bytes: 1000,
            available_bytes,
            ..Disk::default()
        };
        let mut vitals = Vitals::default();
        let mut look = |disks: &[Disk]| vitals.look(0, &memory(500), disks).len();
        assert_eq!(look(&[disk("/", 10), disk("/tmp", 900)]), 1);
        assert_eq!(look(&[disk("/", 10), disk("/tmp", 10)]), 1);
        assert_eq!(look(&[disk("/", 10)]), 0);
        assert_eq!(look(&[disk("/", 10), disk("/tmp", 10)]), 1);
        assert_eq!(look(&[disk("/", 500), disk("/tmp", 500)]), 2);
    }

    #[test]
    fn kills_for_want_of_memory_are_told_as_they_are_counted() {
        let mut vitals = Vitals::default();
        let told: Vec<usize> = [0, 1, 1, 3].map(|kills| vitals.look(kills, &memory(500), &[]).len()).into();
        assert_eq!(told, [0, 1, 0, 1]);
    }
}
