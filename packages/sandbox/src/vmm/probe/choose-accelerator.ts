// Which accelerator a guest gets: hardware virtualisation where it is proven to work, emulation otherwise.

import { join } from "node:path";
import {
  type Architecture,
  type Files,
  hostBootId,
  type Platform,
  readTextIfPresent,
  tryParseJson,
  writeFileAtomic,
} from "@kelpie/platform";
import { type Accelerator, hardwareAccelerator } from "../qemu/accelerator.ts";
import type { QemuInstallation } from "../qemu/find-qemu.ts";
import { probeAccelerator, type ProbeResult } from "./probe-accelerator.ts";

const recordLimitBytes = 16 << 10;

/** The choice, and for people why it is emulation. */
export interface AcceleratorChoice {
  readonly accelerator: Accelerator;
  /** One line; undefined where hardware virtualisation is used. */
  readonly fallback: string | undefined;
  /** Whether this was found out just now, so that a person has not been told yet. */
  readonly isNews: boolean;
}

/**
 * Chooses. The probe's result is kept in `KELPIE_HOME/cache` for as long as this host runs and its QEMU stays the same.
 */
export async function chooseAccelerator(
  platform: Platform,
  home: string,
  architecture: Architecture,
  qemu: QemuInstallation,
  signal: AbortSignal,
): Promise<AcceleratorChoice> {
  const hardware = hardwareAccelerator(platform.host, architecture);
  if (hardware === undefined) {
    return emulation(`a guest for ${architecture} has another kind of processor than this host`, false);
  }
  const directory = join(home, "cache");
  const path = join(directory, `accelerator-${architecture}.json`);
  // A host that was started anew may have a new kernel, which brings what was missing.
  const key = `${hardware} ${await hostBootId(platform.files)} ${qemu.buildId}`;
  const known = await readRecord(platform.files, path, key);
  const result = known ?? (await probeAccelerator(platform, qemu.program, architecture, hardware, signal));
  if (known === undefined) {
    await platform.files.makeDirectory(directory);
    await writeFileAtomic(platform, path, `${JSON.stringify({ key, ...result })}\n`);
  }
  const isNews = known === undefined;
  return result.works
    ? { accelerator: hardware, fallback: undefined, isNews }
    : emulation(result.reason, isNews);
}

function emulation(reason: string, isNews: boolean): AcceleratorChoice {
  return {
    accelerator: "tcg",
    isNews,
    fallback: `No hardware virtualisation (${reason}): the guest is emulated, which is slower.`,
  };
}

/** The kept result for `key`; undefined where there is none, or it is another's, or it cannot be read. */
async function readRecord(files: Files, path: string, key: string): Promise<ProbeResult | undefined> {
  const text = await readTextIfPresent(files, path, recordLimitBytes);
  if (text === undefined) return undefined;
  const record = tryParseJson(text);
  if (typeof record !== "object" || record === null || !("key" in record) || !("works" in record)) {
    return undefined;
  }
  if (record.key !== key) return undefined;
  if (record.works === true) return { works: true };
  return "reason" in record && typeof record.reason === "string"
    ? { works: false, reason: record.reason }
    : undefined;
}
