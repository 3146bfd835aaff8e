//! What the guest's services share of the guest as a whole.

use crate::activity::Activity;
use crate::errors::other_instance;
use crate::process::lock;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;
use tonic::Status;

/// What the agent is doing as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    Ready,
    Quiesced,
    ShuttingDown,
}

/// The guest.
pub struct Guest {
    stage: Mutex<Stage>,
    instance_id: Mutex<String>,
    /// Counts up when every session has to end.
    pub session_ends: watch::Sender<u64>,
    /// What is being done for hosts.
    pub activity: Arc<Activity>,
}

impl Default for Guest {
    fn default() -> Self {
        Self {
            stage: Mutex::new(Stage::Ready),
            instance_id: Mutex::new(fresh_id()),
            session_ends: watch::Sender::new(0),
            activity: Arc::default(),
        }
    }
}

impl Guest {
    /// What it is doing.
    pub fn stage(&self) -> Stage {
        *lock(&self.stage)
    }

    /// Sets what it is doing.
    pub fn set_stage(&self, stage: Stage) {
        *lock(&self.stage) = stage;
    }

    /// The id of this run of the agent.
    pub fn instance_id(&self) -> String {
        lock(&self.instance_id).clone()
    }

    /// Whether it is the one that a caller means; an empty id means any.
    ///
    /// # Errors
    /// `FAILED_PRECONDITION` with its own id.
    pub fn expect_instance(&self, wanted: &str) -> Result<(), Status> {
        let own = lock(&self.instance_id);
        if wanted.is_empty() || wanted == *own { Ok(()) } else { Err(other_instance(&own)) }
    }

    /// Makes the id another one, which is returned.
    pub fn renew_instance_id(&self) -> String {
        let id = fresh_id();
        lock(&self.instance_id).clone_from(&id);
        id
    }

    /// Ends every session, the caller's too, once it had its answer.
    pub fn end_sessions(&self) {
        self.session_ends.send_modify(|count| *count += 1);
    }
}

/// 32 hexadecimal digits from the kernel's generator.
fn fresh_id() -> String {
    let mut bytes = [0_u8; 16];
    // It fails only where the kernel has no such call; an id of zeros is then told apart from none.
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    format!("{:032x}", u128::from_be_bytes(bytes))
}
