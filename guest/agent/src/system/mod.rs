//! The guest as a machine: clock, randomness, names, mounts, network, snapshots and power.

pub mod devices;
pub mod identity;
pub mod mount;
pub mod netlink;
pub mod network;
pub mod service;
