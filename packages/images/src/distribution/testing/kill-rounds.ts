// Rounds in which many processes want the same image at once and are killed at random; after each, nothing may be lost or
// corrupt. As a script: node kill-rounds.ts [ROUNDS] [PROCESSES] [LONGEST_MS]

import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Architecture, realPlatform } from "@kelpie/platform";
import { imageFileNames } from "../../metadata/image-metadata.ts";
import { imageFile, ImageStore, type StoredImage } from "../../store/image-store.ts";
import { pushImages } from "../artifact/push-image.ts";
import { ensureImage } from "../source/ensure-image.ts";
import { startFakeRegistry } from "./fake-registry.ts";
import { addImage, rootfs, testVersion } from "./images.ts";

const architecture: Architecture = "amd64";

export interface KillRounds {
  readonly rounds: number;
  readonly processes: number;
  /** The latest moment, after its start, at which a process is killed. */
  readonly longestMs: number;
}

export interface KillReport {
  readonly killed: number;
  readonly finished: number;
}

/** Plays the rounds. Fails where an image is broken, differs, or cannot be had afterwards. */
export async function killRounds(
  options: KillRounds,
  onRound?: (round: number) => void,
): Promise<KillReport> {
  const directory = await mkdtemp(join(tmpdir(), "kelpie-kill-"));
  await using registry = await startFakeRegistry();
  try {
    const original = await addImage(realPlatform, join(directory, "from"), architecture, {
      files: { "rootfs.ext4": rootfs("kill rounds", 6 << 20) },
    });
    await pushImages({
      platform: realPlatform,
      images: [original],
      repository: { host: registry.host, name: "repo" },
    });
    const environment = {
      ...process.env,
      KELPIE_IMAGE_SOURCES: `${registry.host}/repo`,
      NODE_COMPILE_CACHE: join(directory, "compiled"),
    };
    let killed = 0;
    let finished = 0;
    for (let round = 0; round < options.rounds; round++) {
      // Every other round begins with what the one before has left.
      const home = join(directory, `home${Math.floor(round / 2)}`);
      const children = Array.from({ length: options.processes }, () =>
        fork(join(import.meta.dirname, "ensure.ts"), [home, "latest", architecture], {
          env: environment,
          stdio: "ignore",
        }),
      );
      for (const outcome of await Promise.all(
        children.map((child) => killSometime(child, options.longestMs)),
      )) {
        if (outcome === "killed") killed++;
        else finished++;
      }
      await checkHome(home, original, `${registry.host}/repo`);
      if (round % 2 === 1) await rm(home, { recursive: true });
      onRound?.(round);
    }
    return { killed, finished };
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function killSometime(child: ChildProcess, longestMs: number): Promise<"killed" | "finished"> {
  const exited = once(child, "exit");
  const stop = new AbortController();
  void sleep(Math.random() * longestMs, undefined, { signal: stop.signal }).then(
    () => child.kill("SIGKILL"),
    () => undefined,
  );
  const [code, signal] = (await exited) as [number | null, string | null];
  stop.abort();
  if (signal === "SIGKILL") return "killed";
  assert.equal(code, 0);
  return "finished";
}

/** Whatever is there is whole, the image can be had, and what it is made of is what was pushed. */
async function checkHome(home: string, original: StoredImage, source: string): Promise<void> {
  const store = new ImageStore(realPlatform, home);
  const before = await store.list();
  assert.deepEqual(before.broken, []);
  for (const image of before.images) await assertSame(image, original);
  const environment = { ...realPlatform.host.environment, KELPIE_IMAGE_SOURCES: source };
  const platform = { ...realPlatform, host: { ...realPlatform.host, environment } };
  const { image } = await ensureImage({ platform, home, reference: testVersion, architecture });
  await assertSame(image, original);
  await store.repair(false);
  const left = (await readdir(join(home, "images"))).filter((name) => /^\.(staging|replaced)/.test(name));
  assert.deepEqual(left, []);
}

async function assertSame(image: StoredImage, original: StoredImage): Promise<void> {
  for (const file of imageFileNames)
    assert.equal(await digest(imageFile(image, file)), await digest(imageFile(original, file)), file);
}

async function digest(path: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
}

if (process.argv[1] === import.meta.filename) {
  const [rounds = "1000", processes = "16", longest = "3000"] = process.argv.slice(2);
  const options = { rounds: Number(rounds), processes: Number(processes), longestMs: Number(longest) };
  const report = await killRounds(options, (round) => {
    if ((round + 1) % 10 === 0) console.log(`${round + 1} rounds`);
  });
  console.log(
    `${rounds} rounds of ${processes}: ${report.killed} killed, ${report.finished} finished, nothing lost`,
  );
}
