//! Whether anything is done for a host, and for how long nothing was: what a guest without use is found by.

use crate::process::lock;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// What is being done.
pub struct Activity {
    now: Mutex<Now>,
    /// After how long without any the guest is of no use; none: never.
    limit: watch::Sender<Option<Duration>>,
}

struct Now {
    under_way: usize,
    idle_since: Instant,
}

/// Something that is being done, for as long as it lives.
pub struct Busy(Arc<Activity>);

impl Default for Activity {
    fn default() -> Self {
        let now = Now { under_way: 0, idle_since: Instant::now() };
        Self { now: Mutex::new(now), limit: watch::Sender::new(None) }
    }
}

impl Activity {
    /// Begins something.
    #[must_use]
    pub fn begin(self: &Arc<Self>) -> Busy {
        lock(&self.now).under_way += 1;
        Busy(Arc::clone(self))
    }

    /// For how long nothing was done.
    #[must_use]
    pub fn idle(&self) -> Duration {
        let now = lock(&self.now);
        if now.under_way > 0 { Duration::ZERO } else { now.idle_since.elapsed() }
    }

    /// Sets after how long without any `exhausted` returns.
    pub fn set_limit(&self, limit: Option<Duration>) {
        self.limit.send_replace(limit);
    }

    /// Waits until nothing was done for as long as the limit says.
    pub async fn exhausted(&self) -> Duration {
        let mut limits = self.limit.subscribe();
        loop {
            let limit = *limits.borrow_and_update();
            let left = limit.map(|limit| limit.saturating_sub(self.idle()));
            match left {
                Some(Duration::ZERO) => return self.idle(),
                // Looked at again when it could be over at the earliest: what is done meanwhile wakes nobody.
                Some(left) => drop(tokio::time::timeout(left, limits.changed()).await),
                // The sender is this very struct's, so that the wait cannot fail.
                None => drop(limits.changed().await),
            }
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut now = lock(&self.0.now);
        now.under_way -= 1;
        now.idle_since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn idle_time_counts_from_the_end_of_the_last_thing_done() {
        let activity = Arc::new(Activity::default());
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(activity.idle(), Duration::from_secs(3));
        let (first, second) = (activity.begin(), activity.begin());
        tokio::time::advance(Duration::from_secs(5)).await;
        drop(first);
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(activity.idle(), Duration::ZERO);
        drop(second);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(activity.idle(), Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn the_limit_is_met_only_without_anything_done_in_between() {
        let activity = Arc::new(Activity::default());
        let began = Instant::now();
        let waiting = tokio::spawn({
            let activity = Arc::clone(&activity);
            async move { activity.exhausted().await }
        });
        tokio::time::sleep(Duration::from_secs(100)).await;
        activity.set_limit(Some(Duration::from_secs(120)));
        tokio::time::sleep(Duration::from_secs(10)).await;
        let busy = activity.begin();
        tokio::time::sleep(Duration::from_secs(30)).await;
        drop(busy);
        waiting.await.unwrap();
        assert_eq!(began.elapsed(), Duration::from_secs(100 + 10 + 30 + 120));
    }
}
