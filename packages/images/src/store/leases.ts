// Who uses an image: while a lease on it holds, it is neither removed nor replaced.

import { join } from "node:path";
import {
  identifyProcess,
  isSameProcessAlive,
  KelpieError,
  type Platform,
  randomHex,
  tryParseJson,
  writeFileAtomic,
} from "@kelpie/platform";
import { z } from "zod";

const maxLeaseBytes = 8192;
/**
 * So many other leases are looked at when one is written, and removed if they have ended: a sandbox that lived on, or whose
 * owner was killed, leaves one. More than one a time keeps their number near that of the leases that hold.
 */
const lookedAtPerLease = 4;

const leaseSchema = z.strictObject({
  schemaVersion: z.literal(1),
  holder: z.string().max(1024),
  /** The process that must live for the lease to hold. */
  process: z.strictObject({ pid: z.int().positive(), startTime: z.string().max(64) }).optional(),
  /** The file or directory that must exist for the lease to hold. */
  whileExists: z.string().max(4096).optional(),
});

/** What keeps an image. */
export interface LeaseOptions {
  /** For messages: "sandbox brave-otter". */
  readonly holder: string;
  /** The lease holds as long as this process lives. Default: ours, unless `whileExists` is given. */
  readonly pid?: number;
  /** The lease holds as long as this path exists: the directory of a sandbox that outlives our process. */
  readonly whileExists?: string;
}

/** A held lease. Disposing it lets go of the image; without that, it ends with its process or path. */
export type ImageLease = AsyncDisposable;

type Parts = Pick<Platform, "files" | "processes" | "random" | "host">;

/** Where the leases on the image in directory `name` of the store's `root` stand. */
function leaseDirectory(root: string, name: string): string {
  return join(root, ".leases", name);
}

/** Writes a lease. The caller holds the store's lock. */
export async function writeLease(
  platform: Parts,
  root: string,
  name: string,
  { holder, pid, whileExists }: LeaseOptions,
): Promise<ImageLease> {
  const { files, random, host } = platform;
  const owner = pid ?? (whileExists === undefined ? host.pid : undefined);
  const lease: z.infer<typeof leaseSchema> = {
    schemaVersion: 1,
    holder,
    ...(owner === undefined ? {} : { process: await identifyProcess(files, owner) }),
    ...(whileExists === undefined ? {} : { whileExists }),
  };
  const directory = leaseDirectory(root, name);
  await files.makeDirectory(directory);
  const own = randomHex(random, 8);
  await sweepSome(platform, directory, own);
  const path = join(directory, own);
  await writeFileAtomic(platform, path, `${JSON.stringify(lease)}\n`, 0o600);
  return { [Symbol.asyncDispose]: () => files.remove(path) };
}

/** The holders of the leases that hold. Those that have ended are swept. The caller need not hold the store's lock. */
export async function leaseHolders(platform: Parts, root: string, name: string): Promise<readonly string[]> {
  const { files } = platform;
  const directory = leaseDirectory(root, name);
  if ((await files.stat(directory)) === undefined) return [];
  const holders: string[] = [];
  for (const path of await leasesIn(platform, directory)) {
    const holder = await holderOrSwept(platform, path);
    if (holder !== undefined) holders.push(holder);
  }
  return holders;
}

/** Removes what has ended among the few leases that come next after the random name `from`. */
async function sweepSome(platform: Parts, directory: string, from: string): Promise<void> {
  const paths = (await leasesIn(platform, directory)).toSorted();
  const start = paths.findIndex((path) => path > join(directory, from));
  const inTurn = start < 0 ? paths : [...paths.slice(start), ...paths.slice(0, start)];
  await Promise.all(inTurn.slice(0, lookedAtPerLease).map((path) => holderOrSwept(platform, path)));
}

async function leasesIn({ files }: Pick<Platform, "files">, directory: string): Promise<string[]> {
  const entries = await files.list(directory);
  // A lease that is being written has such a name until it is whole.
  return entries.filter((entry) => !entry.startsWith(".")).map((entry) => join(directory, entry));
}

/** Who holds a lease; one that has ended is removed. */
async function holderOrSwept(platform: Parts, path: string): Promise<string | undefined> {
  const holder = await holderOf(platform, path);
  if (holder === undefined) await platform.files.remove(path);
  return holder;
}

/** Names of the images that have leases, held or ended. */
export async function leasedNames(
  { files }: Pick<Platform, "files">,
  root: string,
): Promise<readonly string[]> {
  const directory = join(root, ".leases");
  return (await files.stat(directory)) === undefined ? [] : await files.list(directory);
}

/** @throws KelpieError `in-use`, naming the holders. */
export async function refuseIfLeased(
  platform: Parts,
  root: string,
  name: string,
  doing: string,
): Promise<void> {
  const holders = await leaseHolders(platform, root, name);
  if (holders.length === 0) return;
  throw new KelpieError("in-use", `Cannot ${doing} image ${name} while it is in use`, {
    found: holders.toSorted().join(", "),
    help: "Stop what uses it first.",
  });
}

async function holderOf(platform: Parts, path: string): Promise<string | undefined> {
  const { files } = platform;
  let bytes: Uint8Array;
  try {
    bytes = await files.readFile(path, maxLeaseBytes);
  } catch (error) {
    if (KelpieError.is(error) && error.code === "not-found") return undefined;
    throw error;
  }
  const { success, data: lease } = leaseSchema.safeParse(tryParseJson(bytes));
  if (!success) return `${path}, which cannot be read`;
  if (lease.process !== undefined && !(await isSameProcessAlive(platform, lease.process))) return undefined;
  if (lease.whileExists !== undefined && (await files.lstat(lease.whileExists)) === undefined)
    return undefined;
  return lease.holder;
}
