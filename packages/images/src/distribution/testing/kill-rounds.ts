// Rounds in which many processes want the same image at once and are killed at random; after each, nothing may be lost,
// corrupt or left lying about. As a script: node kill-rounds.ts [ROUNDS] [PROCESSES] [SECONDS], which ends after as long.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Architecture, realPlatform } from "@kelpie/platform";
import { build } from "esbuild";
import { imageFileNames } from "../../metadata/image-metadata.ts";
import { imageFile, ImageStore, type StoredImage } from "../../store/image-store.ts";
import { pushImages } from "../artifact/push-image.ts";
import { ensureImage } from "../source/ensure-image.ts";
import { sweepDownloads } from "../../cache/sweep-downloads.ts";
import { verifyImage } from "../verify-image.ts";
import { startFakeRegistry } from "./fake-registry.ts";
import { addImage, noise, testVersion } from "./images.ts";

const architecture: Architecture = "amd64";
/** A little more than one process that fetches all by itself has moments in which it touches a file. */
const mostMoments = 160;
/** Others are killed by the clock, wherever they are: about as long as a fetch takes. */
const longestMs = 800;

export interface KillReport {
  /** How many died where: an access to a file, or "by the clock". */
  readonly killed: ReadonlyMap<string, number>;
  readonly finished: number;
}

/** Plays the rounds. Fails where an image is broken, differs, or cannot be had afterwards. */
export async function killRounds(
  { rounds, processes }: { readonly rounds: number; readonly processes: number },
  /** Says whether to go on. */
  onRound?: (round: number) => boolean,
): Promise<KillReport> {
  const directory = await mkdtemp(join(tmpdir(), "kelpie-kill-"));
  await using registry = await startFakeRegistry();
  try {
    const program = await bundled(join(directory, "program"));
    const original = await addImage(realPlatform, join(directory, "from"), architecture, {
      files: { "rootfs.ext4": noise("kill rounds", 1 << 20) },
    });
    const repository = { host: registry.host, name: "repo" };
    await pushImages({ platform: realPlatform, images: [original], repository });
    const source = `${registry.host}/repo`;
    const env = {
      ...process.env,
      KELPIE_IMAGE_SOURCES: source,
      NODE_COMPILE_CACHE: join(directory, "compiled"),
    };
    // A process that is killed leaves no compiled code for the next.
    await liveOrDie(program, join(directory, "first"), env, 0);
    const killed = new Map<string, number>();
    let finished = 0;
    for (let round = 0; round < rounds; round++) {
      // All but every fourth round begin with what the one before has left of its downloads.
      const home = join(directory, `home${Math.floor(round / 4)}`);
      const outcomes = await Promise.all(
        Array.from({ length: processes }, () => {
          const moment = Math.random() < 0.25 ? "clock" : 1 + Math.floor(Math.random() * mostMoments);
          return liveOrDie(program, home, env, moment);
        }),
      );
      for (const place of outcomes)
        if (place === undefined) finished++;
        else killed.set(place, (killed.get(place) ?? 0) + 1);
      await checkHome(home, original, source);
      await checkSwept(home, round % 4 === 3);
      await rm(round % 4 === 3 ? home : join(home, "images"), { recursive: true });
      if (onRound?.(round) === false) break;
    }
    return { killed, finished };
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** One file, which starts several times as fast as the sources. */
async function bundled(directory: string): Promise<string> {
  await build({
    entryPoints: [join(import.meta.dirname, "mortal-ensure.ts")],
    outdir: directory,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node24",
    outExtension: { ".js": ".mjs" },
    banner: {
      js: 'import { createRequire as requireFrom } from "node:module"; const require = requireFrom(import.meta.url);',
    },
    logLevel: "error",
  });
  return join(directory, "mortal-ensure.mjs");
}

/** Where the process died, undefined where it came through. */
async function liveOrDie(
  program: string,
  home: string,
  env: NodeJS.ProcessEnv,
  moment: number | "clock",
): Promise<string | undefined> {
  const isByClock = moment === "clock";
  const wanted = [home, testVersion, architecture, isByClock ? "0" : String(moment)];
  const child = spawn(process.execPath, [program, ...wanted], {
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const said: string[] = [];
  child.stdout.setEncoding("utf8").on("data", (text: string) => said.push(text));
  const closed = once(child, "close") as Promise<[number | null, string | null]>;
  using _clock = isByClock ? killLater(child, Math.random() * longestMs) : undefined;
  const [code, signal] = await closed;
  if (signal === "SIGKILL") return said.join("").trim() || "by the clock";
  assert.equal(code, 0, said.join(""));
  return undefined;
}

function killLater(child: ChildProcess, ms: number): Disposable {
  const stop = new AbortController();
  void sleep(ms, undefined, { signal: stop.signal }).then(
    () => child.kill("SIGKILL"),
    () => undefined,
  );
  return { [Symbol.dispose]: () => stop.abort() };
}

/** Whatever is there is whole, the image can be had, it is what was pushed, and nothing else is left. */
async function checkHome(home: string, original: StoredImage, source: string): Promise<void> {
  const store = new ImageStore(realPlatform, home);
  const before = await store.list();
  assert.deepEqual(before.broken, []);
  for (const image of before.images) await assertSame(image, original);
  const environment = { ...realPlatform.host.environment, KELPIE_IMAGE_SOURCES: source };
  const platform = { ...realPlatform, host: { ...realPlatform.host, environment } };
  const { image } = await ensureImage({ platform, home, reference: testVersion, architecture });
  await assertSame(image, original);
  for (const { kind } of await verifyImage(platform, store, image)) assert.equal(kind, "intact");
  const visible = new Set([testVersion, "cache.json", ".blobs", ".verified"]);
  const left = (await readdir(join(home, "images"))).filter((name) => !visible.has(name));
  assert.deepEqual(left, []);
}

/** No dead process's lock stays, and nothing at all where all is to go. */
async function checkSwept(home: string, isAll: boolean): Promise<void> {
  await sweepDownloads(realPlatform, home, isAll ? 0 : 3_600_000);
  for (const directory of ["cache/pulls", "cache/releases"]) {
    const left = await readdir(join(home, directory)).catch(() => []);
    assert.deepEqual(
      left.filter((name) => isAll || name.includes(".lock")),
      [],
    );
  }
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
  const [rounds = "1000", processes = "16", longestSeconds = "7200"] = process.argv.slice(2);
  const start = performance.now();
  const seconds = (): number => Math.round((performance.now() - start) / 1000);
  const options = { rounds: Number(rounds), processes: Number(processes) };
  let played = 0;
  const { killed, finished } = await killRounds(options, (round) => {
    played = round + 1;
    if (played % 10 === 0) console.log(`${played} rounds, ${seconds()} s`);
    return seconds() < Number(longestSeconds);
  });
  const kinds = new Map<string, number>();
  for (const [place, count] of killed) kinds.set(kindOf(place), (kinds.get(kindOf(place)) ?? 0) + count);
  for (const [kind, count] of [...kinds].toSorted(([, a], [, b]) => b - a))
    console.log(`${String(count).padStart(6)}  ${kind}`);
  const deaths = [...kinds.values()].reduce((sum, count) => sum + count, 0);
  console.log(
    `${played} rounds of ${processes} in ${seconds()} s: ${deaths} killed in ${killed.size} places, ${finished} finished, nothing lost`,
  );
}

/** What was being done, whoever's file it was done to. */
function kindOf(place: string): string {
  const [, doing = "", path = ""] = /^(?:before|behind) (\w+) (.*)$/.exec(place) ?? [];
  const what = [
    [/\.lock(\.[^p]|$)/, "a lock"],
    [/\.progress$/, "the progress"],
    [/^cache\/pulls\/[^/]+\//, "a kept part"],
    [/\.staging\./, "a staged image"],
    [/\.blobs/, "shared content"],
    [/\.verified/, "a record"],
    [/cache\.json/, "cache.json"],
  ] as const;
  return path === "" ? place : `${doing} of ${what.find(([form]) => form.test(path))?.[1] ?? "a directory"}`;
}
