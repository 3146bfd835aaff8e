// SHA256SUMS in a directory of assets, and its signature beside it.

import { createHash } from "node:crypto";
import { basename, dirname, join } from "node:path";
import { acquireFileLock, type Platform, readTextIfPresent, writeFileAtomic } from "@kelpie/platform";
import { signEnvelope } from "../../trust/dsse.ts";
import { statementBytes, statementPayloadType } from "../../trust/statement.ts";
import type { Signer } from "../artifact/signatures.ts";
import { checksumsText, maxChecksumsBytes, parseChecksums } from "./checksums.ts";

export const checksumsName = "SHA256SUMS";
export const checksumsEnvelopeName = "SHA256SUMS.dsse.json";
export const checksumsBundleName = "SHA256SUMS.sigstore.json";

interface ListOptions {
  readonly platform: Platform;
  readonly signer?: Signer | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Puts an asset into the list beside it. Signatures of the list as it was go: without a signer the list has none then.
 *
 * @returns the list's path.
 */
export async function addChecksum(
  { platform, signer, signal }: ListOptions,
  asset: string,
  sha256: string,
): Promise<string> {
  const directory = dirname(asset);
  const path = join(directory, checksumsName);
  await using _lock = await acquireFileLock(platform, join(directory, `.${checksumsName}.lock`), {
    purpose: `adding to ${path}`,
    ...(signal === undefined ? {} : { signal }),
  });
  const known = await readChecksums(platform, path);
  const text = checksumsText(new Map([...known, [basename(asset), sha256]]));
  for (const name of [checksumsEnvelopeName, checksumsBundleName])
    await platform.files.remove(join(directory, name));
  await writeFileAtomic(platform, path, text);
  if (signer === undefined) return path;
  const subject = { name: checksumsName, sha256: createHash("sha256").update(text).digest("hex") };
  const envelope = signEnvelope(statementPayloadType, statementBytes(subject), signer.id, signer.privateKey);
  await writeFileAtomic(platform, join(directory, checksumsEnvelopeName), envelope);
  return path;
}

/** Empty where there is no such file. */
async function readChecksums(platform: Platform, path: string): Promise<Map<string, string>> {
  const text = await readTextIfPresent(platform.files, path, maxChecksumsBytes);
  return text === undefined ? new Map() : parseChecksums(text, path);
}
