//! The guest's events: a bounded backlog that any number of watchers follow at their own pace.

use crate::api::watch_events_response::Event;
use crate::api::{EventsLost, ProcessEnded, WatchEventsResponse, WatchStarted};
use crate::clock;
use crate::process::lock;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::sync::{Notify, watch};

/// How many events are kept for watchers that are behind or come back.
const BACKLOG: usize = 1024;

/// The events so far.
#[derive(Default)]
pub struct Events {
    backlog: Mutex<Backlog>,
    added: Notify,
    /// How many follow.
    watchers: watch::Sender<usize>,
    /// There is a reason to look at the guest's vitals now.
    suspicion: Notify,
}

#[derive(Default)]
struct Backlog {
    events: VecDeque<WatchEventsResponse>,
    last: u64,
}

impl Events {
    /// Adds an event.
    pub fn add(&self, event: Event) {
        let mut backlog = lock(&self.backlog);
        backlog.last += 1;
        let number = backlog.last;
        if backlog.events.len() == BACKLOG {
            backlog.events.pop_front();
        }
        backlog.events.push_back(WatchEventsResponse {
            event: Some(event),
            number,
            at_unix_ns: clock::unix_ns(),
        });
        drop(backlog);
        self.added.notify_waiters();
    }

    /// Waits until somebody follows.
    pub async fn watched(&self) {
        // The sender is this very struct's, so that the wait cannot fail.
        let _ = self.watchers.subscribe().wait_for(|count| *count > 0).await;
    }

    /// Gives a reason to look at the guest's vitals before their time.
    pub fn suspect(&self) {
        self.suspicion.notify_one();
    }

    /// Waits for such a reason.
    pub async fn suspected(&self) {
        self.suspicion.notified().await;
    }

    /// A process has ended.
    pub fn process_ended(&self, id: &str) {
        self.add(Event::ProcessEnded(ProcessEnded { id: id.to_owned() }));
    }
}

/// Follows the events.
pub struct Watcher {
    events: Arc<Events>,
    seen: u64,
    started: bool,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.events.watchers.send_modify(|count| *count -= 1);
    }
}

impl Watcher {
    /// Follows the events after the given one, or those to come.
    #[must_use]
    pub fn new(events: Arc<Events>, after: Option<u64>) -> Self {
        let last = lock(&events.backlog).last;
        events.watchers.send_modify(|count| *count += 1);
        Self { events, seen: after.unwrap_or(last).min(last), started: false }
    }

    /// The next event.
    pub async fn next(&mut self) -> WatchEventsResponse {
        let events = Arc::clone(&self.events);
        loop {
            let mut added = std::pin::pin!(events.added.notified());
            added.as_mut().enable();
            if let Some(event) = self.step() {
                return event;
            }
            added.await;
        }
    }

    fn step(&mut self) -> Option<WatchEventsResponse> {
        let backlog = lock(&self.events.backlog);
        let told =
            |event| WatchEventsResponse { event: Some(event), number: 0, at_unix_ns: clock::unix_ns() };
        if !self.started {
            self.started = true;
            return Some(told(Event::Started(WatchStarted { last_number: backlog.last })));
        }
        let oldest = backlog.events.front().map_or(backlog.last + 1, |event| event.number);
        if self.seen + 1 < oldest {
            let count = oldest - 1 - self.seen;
            self.seen = oldest - 1;
            return Some(told(Event::Lost(EventsLost { count })));
        }
        let index = usize::try_from(self.seen + 1 - oldest).ok()?;
        let event = backlog.events.get(index)?.clone();
        self.seen = event.number;
        Some(event)
    }
}
