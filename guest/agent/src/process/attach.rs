//! A reader of a process: its start, its output, its end, as events in an order that loses nothing.

use super::lock;
use super::outputs::{Piece, STREAMS};
use super::record::{Process, State};
use crate::api::process_event::Event;
use crate::api::{Output, OutputLost, OutputStream, ProcessEvent};
use std::sync::Arc;
use tonic::Status;

/// The largest piece of output in one event.
const MAX_PIECE: usize = 64 * 1024;
/// The streams' names in the API, by their indexes.
const NAMES: [OutputStream; STREAMS] = [OutputStream::Stdout, OutputStream::Stderr];

/// Reads a process from given offsets on. Attached as long as it lives.
pub struct Reader {
    process: Arc<Process>,
    /// Its registration; a passive reader has none.
    key: Option<u64>,
    positions: [u64; STREAMS],
    /// The stream that is looked at first, so that neither starves the other.
    turn: usize,
    stage: Stage,
}

/// What comes next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Start,
    Output,
    Done,
}

impl Reader {
    /// Attaches to a process.
    ///
    /// # Errors
    /// `OUT_OF_RANGE` when an offset is beyond what the process has written.
    pub fn attach(process: Arc<Process>, positions: [u64; STREAMS], passive: bool) -> Result<Self, Status> {
        let key = {
            let mut state = lock(&process.state);
            for (stream, position) in positions.iter().enumerate() {
                let total = state.outputs.total(stream);
                if *position > total {
                    let name = NAMES[stream].as_str_name();
                    return Err(Status::out_of_range(format!(
                        "{name} has {total} bytes: cannot attach at {position}"
                    )));
                }
            }
            (!passive).then(|| state.outputs.attach(positions))
        };
        process.attachment.notify_one();
        Ok(Self { process, key, positions, turn: 0, stage: Stage::Start })
    }

    /// Says who reads, if anybody does by a name: takes the place of whoever read by it before, whose stream ends.
    pub fn named(&self, name: Option<&str>) {
        if let (Some(key), Some(name)) = (self.key, name) {
            lock(&self.process.state).outputs.name(key, name);
            self.process.changed.notify_waiters();
            self.process.attachment.notify_one();
            self.process.room.iter().for_each(tokio::sync::Notify::notify_one);
        }
    }

    /// The process.
    #[must_use]
    pub fn process(&self) -> &Arc<Process> {
        &self.process
    }

    /// The next event; none after the last.
    pub async fn next(&mut self) -> Option<ProcessEvent> {
        let process = Arc::clone(&self.process);
        loop {
            let mut changed = std::pin::pin!(process.changed.notified());
            changed.as_mut().enable();
            if self.stage == Stage::Done || self.is_replaced() {
                return None;
            }
            let event = self.step(&mut lock(&process.state));
            if let Some(event) = event {
                return Some(ProcessEvent { event: Some(event) });
            }
            changed.await;
        }
    }

    fn is_replaced(&self) -> bool {
        self.key.is_some_and(|key| !lock(&self.process.state).outputs.is_attached(key))
    }

    fn step(&mut self, state: &mut State) -> Option<Event> {
        if self.stage == Stage::Start {
            self.stage = Stage::Output;
            return Some(Event::Started(self.process.describe(state)));
        }
        let mut ended = 0;
        for stream in [self.turn, 1 - self.turn] {
            let offset = self.positions[stream];
            match state.outputs.read(stream, offset, MAX_PIECE) {
                Piece::Nothing => {}
                Piece::End => ended += 1,
                Piece::Data(data) => {
                    self.moved(state, stream, offset + data.len() as u64);
                    return Some(Event::Output(Output { stream: NAMES[stream].into(), offset, data }));
                }
                Piece::Lost(length) => {
                    self.moved(state, stream, offset + length);
                    return Some(Event::Lost(OutputLost { stream: NAMES[stream].into(), offset, length }));
                }
            }
        }
        if ended < STREAMS {
            return None;
        }
        self.stage = Stage::Done;
        state.exit.map(Event::Exited)
    }

    fn moved(&mut self, state: &mut State, stream: usize, position: u64) {
        self.positions[stream] = position;
        self.turn = 1 - stream;
        if let Some(key) = self.key {
            state.outputs.advance(key, stream, position);
            self.process.room[stream].notify_one();
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            lock(&self.process.state).outputs.detach(key);
            self.process.attachment.notify_one();
            self.process.room.iter().for_each(tokio::sync::Notify::notify_one);
        }
    }
}
