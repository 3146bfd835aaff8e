// The choice among monitors, on machines where they are and are not.

import assert from "node:assert/strict";
import { test } from "node:test";
import { KelpieError, type KelpieErrorCode, type Platform, realPlatform } from "@kelpie/platform";
import { openVmm, parseVmmChoice } from "./backends.ts";

const never = new AbortController().signal;
const fails =
  (code: KelpieErrorCode, pattern = /(?:)/) =>
  (error: unknown) =>
    KelpieError.is(error) && error.code === code && pattern.test(error.message);

/** This machine, with nothing installed, and the environment given. */
function bare(environment: Record<string, string> = {}): Platform {
  return {
    ...realPlatform,
    host: { ...realPlatform.host, environment },
    processes: { ...realPlatform.processes, find: () => Promise.resolve(undefined) },
  };
}

test("a monitor is chosen by its name, and another name is refused with those that there are", () => {
  assert.equal(parseVmmChoice("qemu"), "qemu");
  assert.equal(parseVmmChoice("auto"), "auto");
  assert.throws(() => parseVmmChoice("bochs"), fails("usage", /auto, qemu.*found "bochs"/));
});

test("where nothing is installed the choice ends with what installs QEMU", async () => {
  const options = { architecture: "amd64", home: "/absent", signal: never } as const;
  await assert.rejects(openVmm(bare(), options), (error) => {
    assert.ok(fails("missing-tool", /qemu-system-x86_64/)(error));
    return KelpieError.is(error) && (error.help ?? "").includes("qemu");
  });
});

test("KELPIE_VMM decides where nobody else does", async () => {
  const options = { architecture: "amd64", home: "/absent", signal: never } as const;
  await assert.rejects(openVmm(bare({ KELPIE_VMM: "bochs" }), options), fails("usage", /bochs/));
  const named = openVmm(bare({ KELPIE_VMM: "bochs" }), { ...options, vmm: "qemu" });
  await assert.rejects(named, fails("missing-tool"));
});
