// APKINDEX.tar.gz: a gzip member with signatures, then the members with the index, which the signatures are about.

import { bytesSource, collect, gzipMembers, readTar } from "@kelpie/formats";
import { KelpieError } from "@kelpie/platform";
import { parseIndex } from "./index-text.ts";
import type { ApkRecord } from "./record.ts";
import { readSignatures, SignatureCheck, type TrustedKeys } from "./signature.ts";

/** A verified index. */
export interface ApkIndex {
  /** What the repository says it is: "v3.19.4-22-gabcdef". */
  readonly description: string;
  readonly records: readonly ApkRecord[];
  /** The trusted key by which it verified. */
  readonly keyName: string;
}

/** More than ten times the largest index of Alpine. */
export const maxIndexBytes = 64 << 20;
const maxTextBytes = 256 << 20;
const maxDescriptionBytes = 4096;

/**
 * Reads and verifies an index.
 *
 * @throws KelpieError `malformed`, `limit-exceeded`, `signature-invalid`, `untrusted-key`.
 */
export async function readIndexArchive(
  bytes: Uint8Array,
  keys: TrustedKeys,
  where: string,
): Promise<ApkIndex> {
  // Nothing of the index is looked at before its signature: decompression is the only code that meets unverified bytes.
  const keyName = await verifyIndex(bytes, keys, where);
  let description = "";
  let text: string | undefined;
  async function* signedContent(): AsyncGenerator<Uint8Array> {
    for await (const member of gzipMembers(bytesSource(bytes).open(), {
      maxOutputBytes: maxTextBytes,
      where,
    })) {
      if (member.index > 0) yield* member.content;
    }
  }
  for await (const entry of readTar(signedContent(), { duplicates: "refuse", where })) {
    if (entry.path === "DESCRIPTION")
      description = decode(
        await collect(entry.content, maxDescriptionBytes, "An index's description"),
      ).trim();
    if (entry.path === "APKINDEX") text = decode(await collect(entry.content, maxTextBytes, "An index"));
  }
  if (text === undefined) {
    throw new KelpieError("malformed", "An index archive has no index", {
      expected: "an entry APKINDEX",
      where,
    });
  }
  return { description, records: parseIndex(text, `${where}, APKINDEX`), keyName };
}

async function verifyIndex(bytes: Uint8Array, keys: TrustedKeys, where: string): Promise<string> {
  for await (const member of gzipMembers(bytesSource(bytes).open(), {
    maxOutputBytes: maxTextBytes,
    where,
  })) {
    const check = new SignatureCheck(await readSignatures(member.content, where), keys);
    // The rest of the member is read and verified by asking how long it was.
    for await (const _ of member.content);
    check.update(bytes.subarray(member.offset + (member.compressedBytes ?? bytes.length)));
    return check.finish(where);
  }
  throw new KelpieError("malformed", "An index is empty", { where });
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
