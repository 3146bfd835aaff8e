//! Finds dead sessions: a host that is there answers the agent's pings, whatever else it does.
//!
//! Time is counted in steps that the agent lived through: a guest that stood still (paused, restored, its monitor stopped)
//! finds the clock far ahead, and what its host said meanwhile still on the way. A jump counts for one step.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

const STEPS: u32 = 10;

/// How long after the last word the host is asked for one: in time for a slow answer.
#[must_use]
pub fn reminder(patience: Duration) -> Duration {
    patience / 3
}

/// Returns once `heard` has not changed for as long as `patience`, give or take a tenth.
pub async fn fallen_silent(heard: Arc<AtomicU64>, patience: Duration) {
    let mut steps = interval(patience / STEPS);
    steps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    steps.tick().await;
    let (mut last, mut quiet) = (heard.load(Ordering::Relaxed), 0);
    while quiet < STEPS {
        steps.tick().await;
        let now = heard.load(Ordering::Relaxed);
        quiet = if now == last { quiet + 1 } else { 0 };
        last = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{Instant, advance, sleep};

    const PATIENCE: Duration = Duration::from_secs(30);
    const NEARLY: Duration = Duration::from_secs(27);

    #[tokio::test(start_paused = true)]
    async fn a_host_that_says_nothing_is_given_up_after_so_long_and_not_before() {
        let begun = Instant::now();
        fallen_silent(Arc::default(), PATIENCE).await;
        assert_eq!(begun.elapsed(), PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_word_now_and_then_is_enough() {
        let heard = Arc::<AtomicU64>::default();
        let waiting = tokio::spawn(fallen_silent(Arc::clone(&heard), PATIENCE));
        for _ in 0..10 {
            sleep(NEARLY).await;
            heard.fetch_add(1, Ordering::Relaxed);
        }
        assert!(!waiting.is_finished());
        let begun = Instant::now();
        waiting.await.unwrap();
        assert!(begun.elapsed() >= NEARLY && begun.elapsed() <= PATIENCE + PATIENCE / STEPS);
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_jumps_counts_for_one_step() {
        let heard = Arc::<AtomicU64>::default();
        let waiting = tokio::spawn(fallen_silent(Arc::clone(&heard), PATIENCE));
        sleep(PATIENCE / 2).await;
        advance(100 * PATIENCE).await;
        let begun = Instant::now();
        sleep(PATIENCE / 4).await;
        assert!(!waiting.is_finished());
        waiting.await.unwrap();
        assert!(begun.elapsed() >= PATIENCE / 3, "{:?}", begun.elapsed());
    }
}
