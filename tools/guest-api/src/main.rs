//! Makes the guest's types and services from proto/, in Rust alone: no protoc is needed.
//!
//! `cargo run [--check]`: writes guest/agent/src/gen, or fails if what is there is not what would be written.

use std::error::Error;
use std::fs;
use std::path::Path;

const FILES: [&str; 4] = ["agent.proto", "process.proto", "file.proto", "system.proto"];
const RUST: &str = "kelpie.agent.v1.rs";
const DESCRIPTORS: &str = "descriptors.binpb";

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let place = root.join("guest/agent/src/gen");
    let made = generate(&root.join("proto"))?;
    if !std::env::args().any(|word| word == "--check") {
        fs::create_dir_all(&place)?;
        for (name, bytes) in made {
            fs::write(place.join(name), bytes)?;
        }
        return Ok(());
    }
    for (name, bytes) in made {
        if fs::read(place.join(name)).ok().as_deref() != Some(bytes.as_slice()) {
            return Err(format!("{name} is not what proto/ says: run tools/generate-api.sh").into());
        }
    }
    Ok(())
}

/// The files of the generated directory.
fn generate(proto: &Path) -> Result<[(&'static str, Vec<u8>); 2], Box<dyn Error>> {
    let mut compiler = protox::Compiler::new([proto])?;
    compiler.include_imports(true);
    for file in FILES {
        compiler.open_file(proto.join("kelpie/agent/v1").join(file))?;
    }
    // Reflection serves the descriptors without their comments, which would be half of their size.
    compiler.include_source_info(false);
    let descriptors = compiler.encode_file_descriptor_set();

    let out = std::env::temp_dir().join(format!("kelpie-guest-api-{}", std::process::id()));
    fs::create_dir_all(&out)?;
    let result = tonic_prost_build::configure()
        .build_transport(false)
        .bytes(".kelpie.agent.v1")
        .disable_comments(["."])
        .out_dir(&out)
        .compile_fds(compiler.file_descriptor_set());
    let rust = result.and_then(|()| fs::read(out.join(RUST)));
    fs::remove_dir_all(&out)?;
    Ok([(RUST, rust?), (DESCRIPTORS, descriptors)])
}
