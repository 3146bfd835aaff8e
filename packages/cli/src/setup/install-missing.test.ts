// Set-up on machines of several kinds, each made of stand-ins.

import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { KelpieError, type Platform, type ProcessExit, realPlatform, type Terminal } from "@kelpie/platform";
import { installMissing, missingRequirements } from "./install-missing.ts";
import { emulatorsFor } from "./requirement.ts";

interface Machine {
  readonly uid: number;
  readonly programs: readonly string[];
  readonly sudoAsks?: boolean;
}

/** A platform that has only the named programs and records what is run. */
function machine({ uid, programs, sudoAsks = false }: Machine): { platform: Platform; ran: string[] } {
  const ran: string[] = [];
  const platform: Platform = {
    ...realPlatform,
    host: { ...realPlatform.host, uid, environment: { PATH: "/bin" } },
    processes: {
      ...realPlatform.processes,
      find: (program) => Promise.resolve(programs.includes(program) ? `/bin/${program}` : undefined),
      run: (program, args) => {
        ran.push([program, ...args].join(" "));
        const exit: ProcessExit = { kind: "exited", code: sudoAsks && program === "sudo" ? 1 : 0 };
        return Promise.resolve({ exit, stdout: new Uint8Array(), stderr: "" });
      },
    },
  };
  return { platform, ran };
}

const nothing = { [Symbol.dispose]: () => undefined };
const noKeys: Terminal["keys"] = {
  size: () => undefined,
  onResize: () => nothing,
  raw: () => nothing,
  takeSignals: () => nothing,
};

function pipes(): { terminal: Terminal; printed: () => Promise<string> } {
  const stderr = new PassThrough();
  const isTerminal = { stdin: false, stdout: false, stderr: false };
  const terminal = {
    stdin: new PassThrough(),
    stdout: new PassThrough(),
    stderr,
    isTerminal,
    columns: undefined,
    keys: noKeys,
  };
  return { terminal, printed: () => text(stderr.end()) };
}

const never = new AbortController().signal;
const requirements = emulatorsFor(["amd64", "arm64"]);

test("what is missing is what is not on PATH", async () => {
  const { platform } = machine({ uid: 0, programs: ["qemu-system-x86_64"] });
  const missing = (await missingRequirements(platform, requirements)).map(({ program }) => program);
  assert.deepEqual(missing, ["qemu-system-aarch64"]);
});

test("root installs through apt-get, saying what for", async () => {
  const { platform, ran } = machine({ uid: 0, programs: ["apt-get"] });
  const { terminal, printed } = pipes();
  await installMissing(platform, terminal, requirements, never);
  assert.equal(ran[0], "apt-get update --quiet=2");
  assert.match(
    ran[1] ?? "",
    /^apt-get install --yes --no-install-recommends qemu-system-x86 qemu-system-arm$/,
  );
  assert.match(await printed(), /qemu-system-x86_64 is missing: it runs amd64 virtual machines/);
});

test("a person with a sudo that does not ask installs through it", async () => {
  const { platform, ran } = machine({ uid: 1000, programs: ["dnf", "sudo"] });
  await installMissing(platform, pipes().terminal, requirements, never);
  assert.match(ran.at(-1) ?? "", /^sudo --non-interactive dnf install --assumeyes qemu-system-x86-core /);
});

for (const [who, given] of [
  ["no sudo", { uid: 1000, programs: ["apt-get"] }],
  ["a sudo that would ask", { uid: 1000, programs: ["apt-get", "sudo"], sudoAsks: true }],
] as const) {
  test(`a person with ${who} is given the exact command, and nothing is run`, async () => {
    const { platform, ran } = machine(given);
    await assert.rejects(
      installMissing(platform, pipes().terminal, requirements, never),
      (error) =>
        KelpieError.is(error) &&
        error.code === "missing-tool" &&
        /sudo apt-get update && sudo apt-get install --yes --no-install-recommends qemu-system-x86 /.test(
          error.help ?? "",
        ),
    );
    assert.ok(ran.every((line) => line === "sudo --non-interactive true"));
  });
}

test("a machine without a known package manager is told what is missing", async () => {
  const { platform } = machine({ uid: 0, programs: [] });
  await assert.rejects(
    installMissing(platform, pipes().terminal, requirements, never),
    (error) => KelpieError.is(error) && error.message.includes("qemu-system-x86_64"),
  );
});
