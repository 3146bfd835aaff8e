// Moving images through the command: to a registry and back, to an archive and back.

import assert from "node:assert/strict";
import { execFile, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { promisify } from "node:util";
import { bootFiles, ImageStore } from "@kelpie/images";
import { realPlatform } from "@kelpie/platform";
import { TemplateStore } from "@kelpie/sandbox";
import { transferLine } from "./output/transfer.ts";
import { compileCache, root } from "./testing/kelpie-command.ts";
import {
  addTinyImage,
  tinyImageArchitecture as architecture,
  tinyImageFiles,
  tinyImageVersion,
} from "./testing/tiny-image.ts";

const version = tinyImageVersion;
const hasRegistry = spawnSync("docker-registry", ["--version"]).error === undefined;

const key = "0".repeat(32);

interface World extends AsyncDisposable {
  readonly directory: string;
  readonly home: string;
  kelpie(home: string, ...args: readonly string[]): Promise<string>;
  keys(home: string, ...args: readonly string[]): Promise<string>;
}

async function world(): Promise<World> {
  const directory = mkdtempSync(join(tmpdir(), "kelpie-cli-"));
  const home = join(directory, "home");
  await addTinyImage(home);
  const run = async (kelpieHome: string, ...args: readonly string[]): Promise<string> => {
    const env = {
      ...process.env,
      NODE_COMPILE_CACHE: compileCache,
      KELPIE_HOME: kelpieHome,
      HOME: directory,
    };
    const { stdout } = await promisify(execFile)(join(root, "kelpie"), args, { env });
    return stdout;
  };
  return {
    directory,
    home,
    kelpie: (kelpieHome, ...args) => run(kelpieHome, "images", ...args),
    keys: (kelpieHome, ...args) => run(kelpieHome, "keys", ...args),
    [Symbol.asyncDispose]: () => {
      rmSync(directory, { recursive: true });
      return Promise.resolve();
    },
  };
}

test("an image goes into an archive and comes back, is shown, verified and removed", async () => {
  await using at = await world();
  const other = join(at.directory, "other");
  const path = (await at.kelpie(at.home, "export", "1.2", "--output", at.directory)).trim();
  assert.equal(path, join(at.directory, `kelpie-base-${version}-${architecture}.tar.gz`));
  assert.equal(await at.kelpie(other, "import", path), `${version}\n`);
  assert.match(
    await at.kelpie(other, "inspect", "latest"),
    /^image +kelpie-base 1\.2\.3-20260115-a3f4d21 for /,
  );
  const verified = tinyImageFiles.map((name) => `${version} ${architecture} ${name}: intact\n`).join("");
  assert.equal(await at.kelpie(other, "verify"), verified);

  writeFileSync(join(other, "images", version, "vmlinuz"), "damaged");
  await assert.rejects(at.kelpie(other, "verify"), {
    code: 1,
    stdout: /vmlinuz: DAMAGED: .*expected \d+ bytes/,
  });
  await at.kelpie(other, "remove", version);
  await assert.rejects(at.kelpie(other, "inspect", version), { code: 1, stderr: /There is no/ });
  assert.equal(await at.kelpie(other, "download", version, "--from", at.directory), `${version}\n`);
});

test("an image is tagged, kept from pruning by that, pruned without it, and the store is repaired", async () => {
  await using at = await world();
  await at.kelpie(at.home, "tag", "1.2", "stable");
  assert.match(await at.kelpie(at.home, "inspect", "stable"), /1\.2\.3-20260115-a3f4d21/);
  assert.match(await at.kelpie(at.home, "prune", "--max-size", "1M"), / stays +tagged stable\n/);
  await at.kelpie(at.home, "tag", "--remove", "stable");
  const would: unknown = JSON.parse(await at.kelpie(at.home, "prune", "--max-size", "1M", "--json"));
  assert.ok(typeof would === "object" && would !== null && "removed" in would && would.removed === false);
  assert.match(await at.kelpie(at.home, "prune", "--max-size", "1M", "--yes"), / goes /);
  writeFileSync(join(at.home, "images", "cache.json"), "{");
  assert.equal(await at.kelpie(at.home, "repair"), "");
  await assert.rejects(at.kelpie(at.home, "prune"), { code: 2, stderr: /needs a rule/ });
});

for (const command of [
  ["remove", version],
  ["prune", "--max-size", "1M", "--yes"],
]) {
  test(`images ${command[0]} takes the templates of an image with it`, async () => {
    await using at = await world();
    const { images } = await new ImageStore(realPlatform, at.home).list();
    const templates = new TemplateStore(realPlatform, at.home);
    for (const image of images) {
      await using _lock = await templates.lock(key, 1000, new AbortController().signal);
      await using staging = await templates.stage();
      for (const name of ["memory", "state", "disk.qcow2"]) writeFileSync(join(staging.path, name), name);
      await templates.publish(key, bootFiles(image), staging.path);
    }
    assert.equal((await templates.list()).length, 1);
    await at.kelpie(at.home, ...command);
    assert.deepEqual(await templates.list(), []);
  });
}

test("a key signs a release, and whoever has its public half and a policy takes only what is signed", async () => {
  await using at = await world();
  const other = join(at.directory, "other");
  const id = await at.keys(at.home, "generate", "release");
  assert.match(await at.keys(at.home, "list"), /release +sign, check +sha256:/);
  const publicKey = join(at.directory, "release.pub");
  writeFileSync(publicKey, await at.keys(at.home, "show", "release"));
  assert.equal(await at.keys(other, "import", "theirs", publicKey), id);
  writeFileSync(join(other, "trust-policy.yaml"), 'rules: [{ for: "*", required: { keys: [theirs] } }]');
  const output = ["--output", at.directory];
  const path = (await at.kelpie(at.home, "export", "1.2", ...output)).trim();
  await assert.rejects(at.kelpie(other, "import", path), { code: 1, stderr: /rule 1, for \*.*no signature/ });
  await at.kelpie(at.home, "export", "1.2", ...output, "--sign", "release");
  assert.equal(await at.kelpie(other, "import", path), `${version}\n`);
  await at.keys(other, "remove", "theirs");
  await assert.rejects(at.kelpie(other, "import", path), { code: 1, stderr: /cannot be used/ });
});

test("versions are compatible within MAJOR.MINOR", async () => {
  await using at = await world();
  assert.equal(await at.kelpie(at.home, "compat", version, "1.2"), "same\n");
  assert.match(await at.kelpie(at.home, "compat", "1.2", "1.2.4-20260115-a3f4d21"), /^compatible: .*patch/);
  await assert.rejects(at.kelpie(at.home, "compat", "1.2", "1.3.0-20260115-a3f4d21"), {
    code: 1,
    stdout: /^incompatible: /,
  });
});

test("an image goes to a registry and comes back", {
  skip: hasRegistry ? false : "docker-registry not installed",
}, async () => {
  await using at = await world();
  const config = join(at.directory, "registry.yml");
  const storage = { filesystem: { rootdirectory: join(at.directory, "data") } };
  writeFileSync(config, JSON.stringify({ version: "0.1", storage, http: { addr: "127.0.0.1:0" } }));
  const registry = spawn("docker-registry", ["serve", config], { stdio: ["ignore", "ignore", "pipe"] });
  try {
    const host = await new Promise<string>((resolve) => {
      createInterface(registry.stderr).on("line", (line) => {
        const found = /listening on (127\.0\.0\.1:\d+)/.exec(line)?.[1];
        if (found !== undefined) resolve(found);
      });
    });
    const pushed = await at.kelpie(at.home, "push", "1.2", "--registry", host, "--tag", "latest");
    assert.equal(pushed, `${host}/kelpie-base:${version}\n`);
    const other = join(at.directory, "other");
    assert.equal(await at.kelpie(other, "pull", `${host}/kelpie-base:latest`), `${version}\n`);
    const again: unknown = JSON.parse(await at.kelpie(other, "pull", pushed.trim(), "--json"));
    assert.ok(typeof again === "object" && again !== null && "wasThere" in again && again.wasThere === true);
  } finally {
    const ended = new Promise((resolve) => registry.once("exit", resolve));
    registry.kill("SIGKILL");
    await ended;
  }
});

for (const [progress, elapsedMs, line] of [
  [{ doneBytes: 0, totalBytes: 100e6, networkBytes: 0 }, 0, "0 % of 100 MB, 0 B transferred at 0 B/s"],
  [
    { doneBytes: 50e6, totalBytes: 100e6, networkBytes: 20e6 },
    2000,
    "50 % of 100 MB, 20.0 MB transferred at 10.0 MB/s, 2 s left",
  ],
  [
    { doneBytes: 100e6, totalBytes: 100e6, networkBytes: 20e6 },
    4000,
    "100 % of 100 MB, 20.0 MB transferred at 5.00 MB/s",
  ],
] as const) {
  test(`progress after ${elapsedMs} ms reads: ${line}`, () =>
    assert.equal(transferLine(progress, elapsedMs), line));
}

test("the progress of a process that we wait for counts from when we saw it first, and says whose it is", () => {
  const by = { pid: 77, purpose: "pulling ghcr.io/org/image:1.0" };
  const line = (doneBytes: number, networkBytes: number, elapsedMs: number): string =>
    transferLine({ doneBytes, totalBytes: 100e6, networkBytes, by }, elapsedMs, first);
  const first = { doneBytes: 40e6, totalBytes: 100e6, networkBytes: 20e6, by };
  assert.equal(line(40e6, 20e6, 0), "by process 77: 40 % of 100 MB, 20.0 MB transferred at 0 B/s");
  assert.equal(
    line(60e6, 30e6, 1000),
    "by process 77: 60 % of 100 MB, 30.0 MB transferred at 10.0 MB/s, 2 s left",
  );
  assert.equal(
    transferLine({ doneBytes: 0, totalBytes: 0, networkBytes: 0, by }, 5000),
    "waiting for process 77, pulling ghcr.io/org/image:1.0",
  );
});
