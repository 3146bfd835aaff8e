// Encodes one ustar header block (POSIX.1-1988).

import { KelpieError } from "@kelpie/platform";
import { blockBytes, type TarHeader } from "./header.ts";

/** What a block holds. What it cannot hold is cut or zero, and must stand in a pax header before it. */
export type UstarFields = Omit<TarHeader, "isV7">;

const nameBytes = 100;
const prefixBytes = 155;

/** Whether an octal field of `fieldBytes` holds the number, with its end mark. */
export function isUstarNumber(value: number, fieldBytes: number): boolean {
  return value >= 0 && value < 8 ** (fieldBytes - 1);
}

/** A path split into name and prefix, or undefined where ustar cannot hold it: too long, or not ASCII. */
export function ustarName(path: string): { readonly name: string; readonly prefix: string } | undefined {
  if (!/^[\x01-\x7f]*$/.test(path)) return undefined;
  if (path.length <= nameBytes) return { name: path, prefix: "" };
  // The first slash that leaves a short enough name; one at the end belongs to the name.
  const slash = path.indexOf("/", path.length - nameBytes - 1);
  if (slash <= 0 || slash > prefixBytes || slash === path.length - 1) return undefined;
  return { name: path.slice(slash + 1), prefix: path.slice(0, slash) };
}

/** The block, checksum included. */
export function encodeUstar(fields: UstarFields): Uint8Array {
  const block = Buffer.alloc(blockBytes);
  const text = (value: string, start: number, length: number): void => {
    block.write(value.replace(/[^\x01-\x7f]/g, "_").slice(0, length), start, length, "latin1");
  };
  const octal = (value: number, start: number, length: number): void => {
    const held = isUstarNumber(value, length) ? value : 0;
    block.write(held.toString(8).padStart(length - 1, "0"), start, length - 1, "latin1");
  };
  const { name, prefix } = ustarName(fields.path) ?? { name: fields.path, prefix: "" };
  text(name, 0, nameBytes);
  octal(fields.mode, 100, 8);
  octal(fields.uid, 108, 8);
  octal(fields.gid, 116, 8);
  octal(fields.sizeBytes, 124, 12);
  octal(fields.mtimeSeconds, 136, 12);
  text(fields.type, 156, 1);
  text(fields.linkTarget, 157, nameBytes);
  block.write("ustar\0" + "00", 257, 8, "latin1");
  text(fields.uname, 265, 31);
  text(fields.gname, 297, 31);
  for (const [number, start] of [
    [fields.major, 329],
    [fields.minor, 337],
  ] as const) {
    if (!isUstarNumber(number, 8)) {
      throw new KelpieError("limit-exceeded", "A tar archive cannot hold a device number", {
        expected: `0 to ${8 ** 7 - 1}`,
        found: `${number}`,
        where: fields.path,
      });
    }
    octal(number, start, 8);
  }
  text(prefix, 345, prefixBytes);

  block.fill(0x20, 148, 156);
  let checksum = 0;
  for (const byte of block) checksum += byte;
  block.write(`${checksum.toString(8).padStart(6, "0")}\0 `, 148, 8, "latin1");
  return block;
}
