// Where libkrun's own declarations may stand on a machine, and how they are read: a C header, or the Rust source that the
// crate `libkrun` publishes.

import { existsSync, globSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** Argument types by function, in C's names. */
export type Declarations = ReadonlyMap<string, readonly string[]>;

/** A text with declarations, and where it was found. */
export interface Published {
  readonly where: string;
  readonly declarations: Declarations;
}

const headers = [
  process.env["KELPIE_LIBKRUN_HEADER"] ?? "",
  "/usr/include/libkrun.h",
  "/usr/local/include/libkrun.h",
  "/opt/homebrew/include/libkrun.h",
];

/** All that are here. */
export function publishedDeclarations(): readonly Published[] {
  const crates = join(
    process.env["CARGO_HOME"] ?? join(homedir(), ".cargo"),
    "registry/src/*/libkrun-1.*/src/lib.rs",
  );
  return [
    ...headers.filter((path) => path !== "" && existsSync(path)).map((path) => ({ path, read: readHeader })),
    ...globSync(crates).map((path) => ({ path, read: readRust })),
  ].map(({ path, read }) => ({ where: path, declarations: read(readFileSync(path, "utf8")) }));
}

const cTypes: readonly (readonly [declared: RegExp, type: string])[] = [
  [/\bchar\b.*\*/, "str"],
  [/\*/, "pointer"],
  [/\buint8_t\b/, "uint8"],
  [/\buint32_t\b/, "uint32"],
  [/\buint64_t\b/, "uint64"],
  [/\bbool\b/, "bool"],
  [/\bint(32_t)?\b/, "int"],
];

/** The functions that return an int32_t, in a C header. Windows' variants are left out. */
export function readHeader(text: string): Declarations {
  const plain = text
    .replaceAll(/\/\*[^]*?\*\//g, " ")
    .replaceAll(/^#ifdef _WIN32\n[^]*?^#else\n([^]*?)^#endif\n/gm, "$1");
  return read(plain, /int32_t\s+(krun_\w+)\s*\(([^)]*)\)/g, cTypes);
}

const rustTypes: readonly (readonly [declared: RegExp, type: string])[] = [
  [/\*const\s+(\w+::)?c_char\b/, "str"],
  [/\*/, "pointer"],
  [/:\s*u8\b/, "uint8"],
  [/:\s*u32\b/, "uint32"],
  [/:\s*u64\b/, "uint64"],
  [/:\s*bool\b/, "bool"],
  [/:\s*((\w+::)?c_int|RawFd|i32)\b/, "int"],
];

/** The functions that libkrun exports, in its source. Of variants of one function the fullest counts. */
export function readRust(text: string): Declarations {
  return read(text, /extern "C" fn (krun_\w+)\(([^)]*)\) -> i32/g, rustTypes);
}

function read(
  text: string,
  declaration: RegExp,
  types: readonly (readonly [RegExp, string])[],
): Declarations {
  const found = new Map<string, readonly string[]>();
  for (const [, name = "", list = ""] of text.matchAll(declaration)) {
    const declared = list.split(",").filter((one) => one.trim() !== "" && one.trim() !== "void");
    const args = declared.map((one) => types.find(([pattern]) => pattern.test(one))?.[1] ?? one.trim());
    if (args.length >= (found.get(name)?.length ?? 0)) found.set(name, args);
  }
  return found;
}
