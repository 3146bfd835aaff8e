// The doctor's look at KELPIE_HOME: whether it can be used, has room, and what it holds.

import { dirname } from "node:path";
import { describeError, type Files, type FileStatus, KelpieError, type Platform } from "@kelpie/platform";
import { ImageStore } from "@kelpie/images";
import { formatSize } from "../output/size.ts";
import type { Finding } from "./finding.ts";

/** A first build downloads and unpacks a tool-chain, and an image is a few hundred megabytes. */
const wantedFreeBytes = 4e9;
/** What is left of a Unix socket's address for KELPIE_HOME. */
const longestHomeBytes = 70;
const writableByOthers = 0o022;
const otherHome = "set KELPIE_HOME to a directory that you can write";

/** KELPIE_HOME as a directory. */
export async function examineHome(platform: Platform, home: string): Promise<Finding[]> {
  const { files } = platform;
  const subject = "KELPIE_HOME";
  const status = await describesItself(files, home);
  if (typeof status === "string" || (status !== undefined && status.kind !== "directory")) {
    const found = typeof status === "string" ? status : `${home} is no directory: ${status.kind}`;
    return [{ subject, verdict: "broken", found, cost: "nothing can be kept", fix: otherHome }];
  }
  const existing = status === undefined ? await nearestDirectory(files, home) : home;
  const freeBytes = await files.freeBytes(existing);
  const found = `${home}${status === undefined ? " (not made yet)" : ""}, ${formatSize(freeBytes)} free`;
  if (Buffer.byteLength(home) > longestHomeBytes) {
    const cost = "no sandbox: the paths of its sockets would be too long";
    return [{ subject, verdict: "broken", found, cost, fix: "set KELPIE_HOME to a shorter path" }];
  }
  const refusal = await refusesWrites(platform, existing);
  if (refusal !== undefined) {
    const cost = `nothing can be kept: ${refusal.message}`;
    const isAnothers = status !== undefined && refusal.code === "permission-denied";
    const fix = isAnothers ? `sudo chown -R $(id -u) ${home}` : otherHome;
    return [{ subject, verdict: "broken", found, cost, fix }];
  }
  if (status !== undefined && (status.mode & writableByOthers) !== 0) {
    const cost = "other people of this machine can change your images";
    return [{ subject, verdict: "limited", found, cost, fix: `chmod go-w ${home}` }];
  }
  if (freeBytes < wantedFreeBytes) {
    const cost = `a first build wants about ${formatSize(wantedFreeBytes)}`;
    return [{ subject, verdict: "limited", found, cost, fix: `rm -r ${home}/cache, or a larger disk` }];
  }
  return [{ subject, verdict: "ok", found }];
}

/** What the store holds. */
export async function examineImages(platform: Platform, home: string): Promise<Finding[]> {
  const { images, broken } = await new ImageStore(platform, home).list();
  const damaged = broken.map(
    ({ directory, reason }): Finding => ({
      subject: `images/${directory}`,
      verdict: "limited",
      found: `cannot be used: ${reason}`,
      fix: `rm -r ${home}/images/${directory}`,
    }),
  );
  const subject = "images";
  if (images.length === 0) {
    return [
      ...damaged,
      { subject, verdict: "limited", found: "none", cost: "nothing to run yet", fix: "kelpie quickstart" },
    ];
  }
  const sizeBytes = images.reduce((sum, image) => sum + image.sizeBytes, 0);
  return [...damaged, { subject, verdict: "ok", found: `${images.length}, ${formatSize(sizeBytes)}` }];
}

/** What `path` is; undefined where nothing is there, and the reason where that cannot be seen. */
async function describesItself(files: Files, path: string): Promise<FileStatus | string | undefined> {
  try {
    const status = await files.stat(path);
    if (status === undefined && (await files.lstat(path)) !== undefined)
      return `${path} is a symlink to nothing`;
    return status;
  } catch (error) {
    return describeError(error);
  }
}

/** Why nothing can be written in `directory`; undefined where it can. */
async function refusesWrites(
  { files, random }: Platform,
  directory: string,
): Promise<KelpieError | undefined> {
  const path = `${directory}/.kelpie-doctor-${Buffer.from(random.bytes(8)).toString("hex")}`;
  try {
    await files.makeNewDirectory(path);
    await files.remove(path);
    return undefined;
  } catch (error) {
    if (!KelpieError.is(error)) throw error;
    return error;
  }
}

async function nearestDirectory(files: Files, path: string): Promise<string> {
  const parent = dirname(path);
  return parent === path || (await files.stat(parent)) !== undefined
    ? parent
    : await nearestDirectory(files, parent);
}
