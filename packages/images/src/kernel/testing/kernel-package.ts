// A kernel package made by hand: modules that say what they need, and an image that only has its magic numbers.

import { bytesSource, type TreeEntry } from "@kelpie/formats";

const metadata = { mode: 0o644, uid: 0, gid: 0, mtimeSeconds: 0 };

/** A file of a package. */
export function file(path: string, content: Uint8Array | string): TreeEntry {
  return { path, node: { ...metadata, kind: "file", content: bytesSource(Buffer.from(content)) } };
}

/** A relocatable ELF file with nothing in it but `.modinfo`. */
export function moduleFile(records: readonly string[]): Buffer {
  const names = Buffer.from("\0.modinfo\0.shstrtab\0");
  const info = Buffer.from(records.map((record) => `${record}\0`).join(""));
  const header = Buffer.alloc(64);
  header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  header.writeUInt16LE(1, 16);
  header.writeUInt16LE(62, 18);
  header.writeBigUInt64LE(BigInt(64 + info.length + names.length), 40);
  header.writeUInt16LE(64, 58);
  header.writeUInt16LE(2, 60);
  header.writeUInt16LE(1, 62);
  const section = (name: number, type: number, offset: number, size: number): Buffer => {
    const bytes = Buffer.alloc(64);
    bytes.writeUInt32LE(name, 0);
    bytes.writeUInt32LE(type, 4);
    bytes.writeBigUInt64LE(BigInt(offset), 24);
    bytes.writeBigUInt64LE(BigInt(size), 32);
    return bytes;
  };
  return Buffer.concat([
    header,
    info,
    names,
    section(1, 1, 64, info.length),
    section(10, 3, 64 + info.length, names.length),
  ]);
}

/** As much of a bzImage as is looked at. */
export function bzImage(): Buffer {
  const image = Buffer.alloc(4096);
  image[0x1f1] = 3;
  image.writeUInt16LE(0xaa55, 0x1fe);
  image.write("HdrS", 0x202);
  image.writeUInt16LE(0x020f, 0x206);
  image[0x211] = 1;
  image.writeUInt32LE(1024, 0x24c);
  return image;
}

/** As much of an arm64 Image as is looked at. */
export function arm64Image(): Buffer {
  const image = Buffer.alloc(4096);
  image.write("MZ", 0);
  image.writeBigUInt64LE(0x2000000n, 16);
  image.writeBigUInt64LE(0xan, 24);
  image.write("ARM\x64", 56, "latin1");
  return image;
}
