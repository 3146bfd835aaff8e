// A compiled kernel as the cache keeps it: its files with their digests, and what it was made from.

import { createHash } from "node:crypto";
import { join } from "node:path";
import { maxKernelBytes } from "@kelpie/formats";
import { type Files, type Platform, tryParseJson, writeFileAtomic } from "@kelpie/platform";
import { z } from "zod";
import type { KernelIngredients } from "./ingredients.ts";

/** A kernel in the cache, whole. */
export interface BuiltKernel {
  /** Holds `vmlinuz`, on amd64 `vmlinux`, `config`, `modules.builtin` and `modules.builtin.modinfo`. */
  readonly directory: string;
  /** As `uname -r` says it: "6.1.192-kelpie". */
  readonly release: string;
  readonly compiler: string;
  readonly sizeBytes: Readonly<Record<string, number>>;
  /** How long compiling took, in seconds. */
  readonly seconds: number;
}

export const recordName = "build.json";
const maxRecordBytes = 64 << 10;

const recordSchema = z.strictObject({
  release: z.string().regex(/^[\w.+~-]{1,64}$/),
  compiler: z.string(),
  source: z.strictObject({ name: z.string(), version: z.string(), digest: z.string(), location: z.string() }),
  configDigest: z.string(),
  seconds: z.number(),
  files: z.record(
    z.string().regex(/^[\w.]{1,64}$/),
    z.strictObject({ sizeBytes: z.number().int().nonnegative(), sha256: z.string() }),
  ),
});

/** What a build has left in `directory`, if every byte of it is as it was then; undefined otherwise. */
export async function readBuiltKernel(
  files: Pick<Files, "stat" | "readFile">,
  directory: string,
): Promise<BuiltKernel | undefined> {
  const path = join(directory, recordName);
  if ((await files.stat(path)) === undefined) return undefined;
  const record = recordSchema.safeParse(tryParseJson(await files.readFile(path, maxRecordBytes)));
  if (!record.success) return undefined;
  const { release, compiler, seconds } = record.data;
  const sizeBytes: Record<string, number> = {};
  for (const [name, expected] of Object.entries(record.data.files)) {
    const file = join(directory, name);
    if ((await files.stat(file))?.sizeBytes !== expected.sizeBytes) return undefined;
    if (sha256(await files.readFile(file, maxKernelBytes)) !== expected.sha256) return undefined;
    sizeBytes[name] = expected.sizeBytes;
  }
  return { directory, release, compiler, sizeBytes, seconds };
}

/** Records all that stands in `directory`. */
export async function writeRecord(
  platform: Pick<Platform, "files" | "host" | "random">,
  directory: string,
  release: string,
  { recipe, compiler, source }: KernelIngredients,
  seconds: number,
): Promise<void> {
  const { files } = platform;
  const described: Record<string, { sizeBytes: number; sha256: string }> = {};
  for (const name of await files.list(directory)) {
    const bytes = await files.readFile(join(directory, name), maxKernelBytes);
    described[name] = { sizeBytes: bytes.length, sha256: sha256(bytes) };
  }
  const { name, version, digest, location } = source;
  const record = {
    release,
    compiler: compiler.name,
    source: { name, version, digest, location },
    configDigest: recipe.digest,
    seconds,
    files: described,
  };
  await writeFileAtomic(platform, join(directory, recordName), `${JSON.stringify(record, undefined, 2)}\n`);
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
