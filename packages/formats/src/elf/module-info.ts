// What a kernel module says of itself, in the .modinfo section of its ELF file.

import { KelpieError } from "@kelpie/platform";
import { elfType, malformedElf, parseElf } from "./elf-file.ts";

/** The facts of a module that decide when it can be loaded, and in which order. */
export interface ModuleInfo {
  /** As it stands; undefined in a module of a kernel older than 4.13. Names compare alike with "-" and "_". */
  readonly name: string | undefined;
  /** Modules whose symbols it needs. */
  readonly depends: readonly string[];
  /** `softdep=pre: … post: …`: modules to load before and after, where they exist. */
  readonly softdeps: { readonly pre: readonly string[]; readonly post: readonly string[] };
  readonly aliases: readonly string[];
  /** The kernel release is its first word. */
  readonly vermagic: string | undefined;
  /** Every record, in order: key and value. */
  readonly records: readonly (readonly [key: string, value: string])[];
}

const maxInfoBytes = 1 << 20;

/**
 * Reads `.modinfo` of an uncompressed 64-bit little-endian module.
 *
 * @throws KelpieError `malformed`, `limit-exceeded`, `unsupported` (another class, byte order or ELF type).
 */
export function readModuleInfo(bytes: Uint8Array, where = "a kernel module"): ModuleInfo {
  const elf = parseElf(bytes, where);
  if (elf.type !== elfType.relocatable) {
    throw new KelpieError("unsupported", "An ELF file is not a kernel module", {
      expected: `type ${elfType.relocatable} (relocatable)`,
      found: `type ${elf.type}`,
      where,
    });
  }
  const section = elf.sections().find(({ name }) => name === ".modinfo");
  if (section === undefined) throw malformedElf("a section .modinfo", "none", where);
  if (section.sizeBytes > maxInfoBytes) {
    throw new KelpieError("limit-exceeded", "A kernel module says too much of itself", {
      expected: `at most ${maxInfoBytes} bytes`,
      found: `${section.sizeBytes}`,
      where,
    });
  }
  const records = Buffer.from(elf.contentOf(section))
    .toString("latin1")
    .split("\0")
    .filter((record) => record !== "")
    .map((record) => splitRecord(record, where));
  const all = (key: string): string[] => records.filter(([name]) => name === key).map(([, value]) => value);
  return {
    name: all("name")[0],
    depends: all("depends")
      .flatMap((value) => value.split(","))
      .filter((name) => name !== ""),
    softdeps: softDependencies(all("softdep")),
    aliases: all("alias"),
    vermagic: all("vermagic")[0],
    records,
  };
}

function splitRecord(record: string, where: string): readonly [string, string] {
  const equals = record.indexOf("=");
  if (equals < 1)
    throw malformedElf('records of "key=value" in .modinfo', JSON.stringify(record.slice(0, 100)), where);
  return [record.slice(0, equals), record.slice(equals + 1)];
}

/** "pre: a b post: c": names before the first mark mean nothing, to modprobe either. */
function softDependencies(values: readonly string[]): ModuleInfo["softdeps"] {
  const softdeps = { pre: [] as string[], post: [] as string[] };
  for (const value of values) {
    let into: string[] | undefined;
    for (const word of value.split(/[ \t\n]+/).filter((part) => part !== "")) {
      if (word === "pre:") into = softdeps.pre;
      else if (word === "post:") into = softdeps.post;
      else into?.push(word);
    }
  }
  return softdeps;
}
