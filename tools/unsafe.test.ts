// Where the programs in the guest may be unsafe: in one module each, that of the system calls. That every block there says
// why it is sound is clippy's to hold (guest/Cargo.toml).

import assert from "node:assert/strict";
import { glob, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

const guest = join(import.meta.dirname, "../guest");

test("only the modules of system calls may have unsafe code", async () => {
  const allowing: string[] = [];
  for await (const file of glob("{agent,init}/{src,tests}/**/*.rs", { cwd: guest })) {
    const text = await readFile(join(guest, file), "utf8");
    if (/allow\([^)]*\bunsafe_code\b/.test(text)) allowing.push(file);
    const isUnsafe = /\bunsafe\s*(?:\{|fn|impl|extern)/.test(text.replaceAll(/\/\/.*$/gm, ""));
    assert.ok(!isUnsafe || /^(?:agent\/src\/sys\/|init\/src\/sys\.rs$)/.test(file), file);
  }
  // The agent's by itself, init's where it is declared.
  assert.deepEqual(allowing.sort(), ["agent/src/sys/mod.rs", "init/src/main.rs"]);
  const workspace = await readFile(join(guest, "Cargo.toml"), "utf8");
  for (const lint of ["unsafe_code", "undocumented_unsafe_blocks"])
    assert.match(workspace, new RegExp(`^${lint} = "deny"$`, "m"));
  for (const program of ["agent", "init"])
    assert.match(
      await readFile(join(guest, program, "Cargo.toml"), "utf8"),
      /^\[lints\]\nworkspace = true$/m,
    );
});
