// Our table of libkrun's functions against what libkrun itself declares, where that is on this machine, and against the
// library that plays it in tests.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type KrunFunction, missingBecause, signatures } from "./signatures.ts";
import {
  type Declarations,
  publishedDeclarations,
  readHeader,
  readRust,
} from "./testing/published-signatures.ts";

const names = Object.keys(signatures) as KrunFunction[];

/** Ours, in C's names. */
function ours(name: KrunFunction): readonly string[] {
  return signatures[name].map((type) => (type === "ctx" ? "uint32" : type));
}

function agree(declarations: Declarations): void {
  for (const name of names) assert.deepEqual(declarations.get(name), ours(name), name);
}

test("declarations are read from a header and from Rust, whatever stands between them", () => {
  const header = `/* int32_t krun_no(int a); */
    int32_t krun_one(uint32_t ctx_id,   // the context
                     const char *c_path, bool read_only);
    #define X 1
    int32_t krun_none(void); int32_t krun_empty();
int32_t krun_fd(uint32_t ctx_id,
#ifdef _WIN32
                void *handle
#else
                int fd, uint8_t n, uint64_t size, const char *const list[], uint8_t *const mac
#endif
);`;
  assert.deepEqual(
    [...readHeader(header)],
    [
      ["krun_one", ["uint32", "str", "bool"]],
      ["krun_none", []],
      ["krun_empty", []],
      ["krun_fd", ["uint32", "int", "uint8", "uint64", "str", "pointer"]],
    ],
  );
  const rust = `#[no_mangle]
    pub unsafe extern "C" fn krun_one(_ctx: u32, _p: *const c_char) -> i32 { -1 }
    pub unsafe extern "C" fn krun_one(
        ctx_id: u32,
        c_path: *const libc::c_char,
        read_only: bool,
    ) -> i32 {
    pub extern "C" fn krun_fd(fd: RawFd, other: c_int, n: u8, size: u64, c_mac: *const u8) -> i32 {`;
  assert.deepEqual(
    [...readRust(rust)],
    [
      ["krun_one", ["uint32", "str", "bool"]],
      ["krun_fd", ["int", "int", "uint8", "uint64", "pointer"]],
    ],
  );
});

test("a difference would be found", () => {
  const wrong = new Map(names.map((name) => [name, ours(name)]));
  agree(wrong);
  wrong.set("krun_add_disk2", ["uint32", "str", "str", "bool", "uint32"]);
  assert.throws(() => agree(wrong), /krun_add_disk2/);
});

test("the library that tests play has the functions with their types", () => {
  agree(readHeader(readFileSync(join(import.meta.dirname, "testing/played-libkrun.c"), "utf8")));
});

const published = publishedDeclarations();
const skip =
  published.length > 0
    ? false
    : "no libkrun.h is installed, and cargo has no source of the crate libkrun (`cargo fetch` of a package that needs it)";

test("libkrun itself declares every function that we call with our types", { skip }, () => {
  for (const { where, declarations } of published) {
    for (const name of names) {
      // What an older libkrun lacks is told when it is loaded.
      if (name in missingBecause && !declarations.has(name)) continue;
      assert.deepEqual(declarations.get(name), ours(name), `${name} in ${where}`);
    }
  }
});
