// Every command with --json, run as programs run it: what it prints is of the form that is published for it.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { cachedKelpieKernel } from "@kelpie/images";
import { realPlatform } from "@kelpie/platform";
import { outputChecker } from "./testing/json-outputs.ts";
import { findImageForHome, kelpie, root } from "./testing/kelpie-command.ts";
import { addTinyImage, tinyImageVersion } from "./testing/tiny-image.ts";

const found = await findImageForHome();
const skip = "skip" in found ? found.skip : false;
const hasRegistry = spawnSync("docker-registry", ["--version"]).error === undefined;
const hasKernel =
  !("skip" in found) &&
  (await cachedKelpieKernel({
    platform: realPlatform,
    home: found.userHome,
    architecture: realPlatform.host.architecture ?? "amd64",
    configDirectory: join(root, "images/kernel"),
  })) !== undefined;
const left = [
  // Compiling takes minutes.
  ...(hasKernel ? [] : ["kernel build"]),
  ...(hasRegistry ? [] : ["images push", "images pull"]),
];

// Short, for a socket's path.
const home = mkdtempSync(join(tmpdir(), "kelpie-js-"));
const spec = join(root, "images/kelpie-debian.yaml");
const image = "skip" in found ? "" : found.version;
const checker = await outputChecker();

/** Runs it with --json, and holds what it prints against its form. */
function run(path: string, args: readonly string[] = [], code = 0): unknown {
  const ended = kelpie(home, [...path.split(" "), "--json", ...args]);
  assert.equal(ended.code, code, `${path}: ${ended.stdout}${ended.stderr}`);
  return checker.check(path, ended.stdout);
}

describe("what is printed with --json", { skip, timeout: 300_000 }, () => {
  before(async () => {
    if ("skip" in found) return;
    found.makeHome(home);
    await addTinyImage(home);
  });
  after(() => {
    kelpie(home, ["sandbox", "rm", "--force", "one"]);
    rmSync(home, { recursive: true, force: true });
  });

  test("of a machine, keys and specs", () => {
    run("doctor");
    run("keys generate", ["mine"]);
    run("keys list");
    run("keys show", ["mine"]);
    const pem = join(home, "other.pub");
    writeFileSync(pem, kelpie(home, ["keys", "show", "mine"]).stdout);
    run("keys import", ["other", pem]);
    run("keys remove", ["other"]);
    run("images init", [join(home, "spec/mine.yaml"), "--distribution", "debian"]);
    if (hasKernel) run("kernel build");
  });

  test("of images that are looked at, moved and removed", () => {
    run("images list");
    run("images inspect", [image, "--sizes"]);
    run("images sbom", [image]);
    run("images check", [image]);
    run("images verify", [tinyImageVersion]);
    run("images compat", [tinyImageVersion, "1.2.4-20260115-a3f4d21"]);
    run("images compat", [tinyImageVersion, "2.0.0-20260115-a3f4d21"], 1);
    run("images diff", [image, image]);
    run("images tag", [tinyImageVersion, "stable"]);
    run("images tag", ["--remove", "stable"]);
    const dist = join(home, "dist");
    run("images export", [tinyImageVersion, "--output", `${dist}/`]);
    writeFileSync(join(home, "images", tinyImageVersion, "vmlinuz"), "damaged");
    run("images verify", [tinyImageVersion], 1);
    run("images prune", ["--max-size", "1M"]);
    run("images remove", [tinyImageVersion]);
    run("images download", [tinyImageVersion, "--from", dist]);
    run("images remove", [tinyImageVersion]);
    const architecture = realPlatform.host.architecture ?? "amd64";
    run("images import", [join(dist, `kelpie-base-${tinyImageVersion}-${architecture}.tar.gz`)]);
    mkdirSync(join(home, "images/9.9.9-20260115-a3f4d21"));
    run("images list");
    run("images repair", [], 1);
    run("images repair", ["--remove-broken"]);
  });

  test("of a registry", { skip: hasRegistry ? false : "docker-registry not installed" }, async () => {
    const config = join(home, "registry.yml");
    const storage = { filesystem: { rootdirectory: join(home, "registry") } };
    writeFileSync(config, JSON.stringify({ version: "0.1", storage, http: { addr: "127.0.0.1:0" } }));
    const registry = spawn("docker-registry", ["serve", config], { stdio: ["ignore", "ignore", "pipe"] });
    const ended = new Promise((resolve) => registry.once("exit", resolve));
    try {
      const host = await new Promise<string>((resolve) => {
        createInterface(registry.stderr).on("line", (line) => {
          const address = /listening on (127\.0\.0\.1:\d+)/.exec(line)?.[1];
          if (address !== undefined) resolve(address);
        });
      });
      run("images push", [tinyImageVersion, "--registry", host, "--form", "vm"]);
      run("images pull", [`${host}/kelpie-base:${tinyImageVersion}`]);
    } finally {
      registry.kill("SIGKILL");
      await ended;
    }
  });

  test("of builds", () => {
    const arch = ["--spec", spec, "--arch", realPlatform.host.architecture ?? "amd64"];
    run("images plan", arch);
    const lock = join(home, "kept.lock.yaml");
    run("images lock", [...arch, "--output", lock]);
    run("images vendor", [...arch, "--output", join(home, "kept"), "--locked", lock]);
    const { images } = run("images build", [...arch, "--locked", lock]) as { images: [{ version: string }] };
    const { version } = images[0];
    run("images rebuild", ["--verify", version, "--spec", join(home, "spec/mine.yaml")], 1);
  });

  test("of sandboxes", () => {
    const shape = ["--image", image, "--memory", "256"];
    run("sandbox boot-chart", ["--image", image]);
    run("images warm", [image, "--memory", "256"]);
    run("sandbox create", [...shape, "--name", "one", "--ttl", "10m", "--net", "allow=allowed.example"]);
    run("sandbox list");
    run("sandbox inspect", ["one"]);
    run("sandbox exec", ["--detach", "one", "--", "sleep", "100"]);
    kelpie(home, ["sandbox", "exec", "one", "--", "bash", "-c", "</dev/tcp/denied.example/80"]);
    run("sandbox net-log", ["one"]);
    run("sandbox stats", ["one"]);
    run("sandbox cp", ["one:/etc/hostname", join(home, "hostname")]);
    run("sandbox pause", ["one"]);
    run("sandbox list");
    run("sandbox stats", ["one"], 1);
    run("sandbox resume", ["one"]);
    run("sandbox sync", ["one"]);
    run("sandbox rm", ["one"], 1);
    run("sandbox stop", ["one"]);
    run("sandbox list");
    run("sandbox gc", ["--dry-run"]);
    run("sandbox rm", ["one"]);
    assert.deepEqual(run("sandbox list"), { sandboxes: [] });
    run("sandbox kill", [kelpie(home, ["sandbox", "create", ...shape]).stdout.trim()]);
    run("sandbox gc");
  });

  test("is seen here of every command that has it", () => {
    assert.deepEqual(
      checker.paths.filter((path) => !checker.seen.has(path)),
      left.toSorted((a, b) => checker.paths.indexOf(a) - checker.paths.indexOf(b)),
    );
  });
});
