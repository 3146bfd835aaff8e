//! Kelpie's guest agent: serves `proto/kelpie/agent/v1` over virtio-serial ports, vsock and Unix sockets.

pub mod activity;
pub mod agent;
pub mod api;
pub mod clock;
pub mod dispatch;
pub mod errors;
pub mod events;
pub mod file;
pub mod process;
pub mod procfs;
pub mod serve;
pub mod session;
pub mod state;
pub mod sys;
pub mod system;
pub mod vitals;

/// Writes a line to stderr, which kelpie-init brings to the console and to /var/log/kelpie-guest.log.
pub fn log(line: std::fmt::Arguments<'_>) {
    use std::io::Write;
    // One write, so that lines of several threads do not mix; a log that cannot be written is no reason to stop.
    let _ = std::io::stderr().write_all(format!("kelpie: {line}\n").as_bytes());
}
