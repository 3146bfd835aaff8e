// Firecracker's way to the real agent: the suite of monitors and a whole sandbox, over a Firecracker that is played.

import assert from "node:assert/strict";
import { test } from "node:test";
import { realPlatform } from "@kelpie/platform";
import { Sandbox } from "../../lifecycle/sandbox.ts";
import { openPlayedFirecracker, writePlayedImage } from "../../testing/firecracker/play-firecracker.ts";
import { processesOf, vmmSubject } from "../../testing/vmm-compliance/subject.ts";
import { describeVmm } from "../../testing/vmm-compliance/suite.ts";

const { files } = realPlatform;
const program = process.env["KELPIE_AGENT"];
const skip = program === undefined ? "KELPIE_AGENT names no agent; `npm test -- guest` does" : false;

describeVmm(
  "Firecracker, played",
  async () => {
    const home = await files.temporaryDirectory("kelpie-fc-");
    const vmm = await openPlayedFirecracker(home.path, program ?? "");
    const subject = await vmmSubject(vmm, await writePlayedImage(home.path), "process");
    return {
      ...subject,
      async [Symbol.asyncDispose]() {
        await subject[Symbol.asyncDispose]();
        await home[Symbol.asyncDispose]();
      },
    };
  },
  skip,
);

test("a sandbox is created on it, runs commands, has files, and leaves nothing", { skip }, async () => {
  await using home = await files.temporaryDirectory("kelpie-fc-");
  const vmm = await openPlayedFirecracker(home.path, program ?? "");
  const image = await writePlayedImage(home.path);
  let directory = "";
  {
    const options = { platform: realPlatform, vmm, image, home: home.path, start: "cold" } as const;
    await using sandbox = await Sandbox.create(options);
    directory = `${home.path}/sandboxes/${sandbox.id}`;
    const { stdout, end } = await sandbox.exec({ argv: ["sh", "-c", "echo over vsock; exit 3"] }).collect();
    assert.equal(Buffer.from(stdout).toString(), "over vsock\n");
    assert.deepEqual(end, { kind: "exited", code: 3, cause: "own" });
    const path = `${home.path}/from-the-guest`;
    await sandbox.files.write(path, Buffer.from("bytes"));
    assert.equal(Buffer.from(await files.readFile(path, 100)).toString(), "bytes");
    assert.match((await sandbox.consoleTail()).join("\n"), /agent ready/);
  }
  assert.equal(await files.stat(directory), undefined);
  assert.deepEqual(await processesOf(directory), []);
});
