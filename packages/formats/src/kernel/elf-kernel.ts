// An ELF vmlinux and its PVH entry (Xen, docs/misc/pvh.pandoc; elfnote.h).

import { architectureOf } from "../elf/executable.ts";
import { type ElfFile, elfType, parseElf } from "../elf/elf-file.ts";
import { KelpieError } from "@kelpie/platform";
import type { ElfKernel } from "./kernel-image.ts";

const noteSegment = 4;
const xenNoteName = "Xen\0";
const physicalEntryNote = 18;

/** Reads the headers and notes. @throws KelpieError `malformed`, `unsupported` (no executable, or another machine) */
export function parseElfKernel(bytes: Uint8Array, where: string): ElfKernel {
  const elf = parseElf(bytes, where);
  if (elf.type !== elfType.executable && elf.type !== elfType.shared) {
    throw new KelpieError("unsupported", "An ELF file is not a kernel", {
      expected: `type ${elfType.executable} or ${elfType.shared}`,
      found: `type ${elf.type}`,
      where,
    });
  }
  return {
    kind: "elf",
    architecture: architectureOf(elf, where),
    entry: elf.entry,
    pvhEntry: pvhEntry(elf),
  };
}

function pvhEntry(elf: ElfFile): number | undefined {
  for (const segment of elf.segments) {
    if (segment.type !== noteSegment) continue;
    const bytes = elf.contentOf(segment);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let at = 0;
    while (at + 12 <= bytes.length) {
      const nameBytes = view.getUint32(at, true);
      const valueBytes = view.getUint32(at + 4, true);
      const type = view.getUint32(at + 8, true);
      const valueAt = at + 12 + roundUp(nameBytes);
      const next = valueAt + roundUp(valueBytes);
      if (next > bytes.length) break;
      const name = Buffer.from(bytes.subarray(at + 12, at + 12 + nameBytes)).toString("latin1");
      // 4 bytes, or 8 where the kernel's own address type is written.
      if (name === xenNoteName && type === physicalEntryNote && valueBytes >= 4)
        return view.getUint32(valueAt, true);
      at = next;
    }
  }
  return undefined;
}

function roundUp(sizeBytes: number): number {
  return Math.ceil(sizeBytes / 4) * 4;
}
