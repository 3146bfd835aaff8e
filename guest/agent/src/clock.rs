//! The guest's clocks, as the API counts them.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds since 1970; 0 before.
#[must_use]
pub fn unix_ns() -> u64 {
    nanoseconds(ClockId::Realtime)
}

/// Nanoseconds since the kernel started, without the time it slept.
#[must_use]
pub fn boot_ns() -> u64 {
    nanoseconds(ClockId::Monotonic)
}

fn nanoseconds(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000) + u64::try_from(time.tv_nsec).unwrap_or(0)
}
