//! Compiles proto/ into the server's types, in Rust alone: no protoc is needed where the guest is built.

use std::path::Path;

const FILES: [&str; 4] = ["agent.proto", "process.proto", "file.proto", "system.proto"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    println!("cargo::rerun-if-changed={}", root.display());
    let mut compiler = protox::Compiler::new([&root])?;
    compiler.include_imports(true);
    for file in FILES {
        compiler.open_file(root.join("kelpie/agent/v1").join(file))?;
    }

    // Reflection serves the descriptors without their comments, which would be half of their size.
    compiler.include_source_info(false);
    let out = std::path::PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.binpb"), compiler.encode_file_descriptor_set())?;

    tonic_prost_build::configure()
        .build_transport(false)
        .bytes(".kelpie.agent.v1")
        .disable_comments(["."])
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
