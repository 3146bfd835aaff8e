//! The API's types and service traits: made from proto/ by tools/generate-api.sh.

#![allow(clippy::all, clippy::pedantic, reason = "generated")]

include!("gen/kelpie.agent.v1.rs");

/// The descriptors that reflection serves.
pub const DESCRIPTORS: &[u8] = include_bytes!("gen/descriptors.binpb");
