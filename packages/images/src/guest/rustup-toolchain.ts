// The person's own Rust, where Debian's does not run: macOS. Its linker comes with it, and so does musl for the target.

import { createHash } from "node:crypto";
import { join } from "node:path";
import { KelpieError, runChecked } from "@kelpie/platform";
import { plainRustcScript } from "./tool-scripts.ts";
import { machines, type Toolchain, type ToolchainOptions } from "./toolchain.ts";

const oldestMinor = 88;
const maxAnswerBytes = 64 * 1024;

/** @throws KelpieError `missing-tool`, with the command that installs it. */
export async function rustupToolchain(options: ToolchainOptions): Promise<Toolchain> {
  const { platform, architecture, signal } = options;
  const { processes, files } = platform;
  const [cargo, rustc] = await Promise.all([processes.find("cargo"), processes.find("rustc")]);
  if (cargo === undefined || rustc === undefined) {
    throw missing(
      "Rust's compiler is needed to build the guest's programs",
      "no cargo and rustc on PATH",
      "https://rustup.rs",
    );
  }
  const ask = async (...args: string[]): Promise<string> => {
    const limits = { maxOutputBytes: maxAnswerBytes, ...(signal === undefined ? {} : { signal }) };
    const { stdout } = await runChecked(processes, rustc, args, limits);
    return new TextDecoder().decode(stdout).trim();
  };
  const version = await ask("-vV");
  const [compiler = ""] = version.split("\n");
  const minor = Number(/^rustc 1\.(\d+)\./.exec(compiler)?.[1] ?? 0);
  if (minor < oldestMinor) {
    throw missing(
      `Rust 1.${oldestMinor} or newer is needed to build the guest's programs`,
      compiler,
      "rustup update stable",
    );
  }
  const target = machines[architecture].muslTarget;
  if ((await files.stat(await ask("--print", "target-libdir", "--target", target))) === undefined) {
    throw missing(
      `Rust's libraries for ${target} are needed to build the guest's programs`,
      "none",
      `rustup target add ${target}`,
    );
  }
  return {
    compiler,
    identity: `rustup-1 ${createHash("sha256").update(version).digest("hex")}`,
    target,
    prepare: async (work) => {
      await using handle = await files.open(join(work, "rustc"), "create", 0o755);
      await handle.write(Buffer.from(plainRustcScript(rustc)), 0);
      return {
        program: cargo,
        environment: {
          RUSTC: join(work, "rustc"),
          [`CARGO_TARGET_${target.toUpperCase().replaceAll("-", "_")}_LINKER`]: "rust-lld",
          CARGO_ENCODED_RUSTFLAGS: "-Ctarget-feature=+crt-static",
        },
      };
    },
  };
}

function missing(summary: string, found: string, command: string): KelpieError {
  return new KelpieError("missing-tool", summary, { found, help: command });
}
