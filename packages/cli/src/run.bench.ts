// How long it takes until a command has run in a sandbox of its own: as typed, and in the library.
//
// In the image of Kelpie's own kernel that the user's store has; each case is skipped where there is none.

import assert from "node:assert/strict";
import { ImageStore } from "@kelpie/images";
import { kelpieHome, realPlatform } from "@kelpie/platform";
import { Sandbox } from "@kelpie/sandbox";
import type { BenchCase, BenchSkip, PreparedBench } from "../../../tools/bench/case.ts";
import { succeeds } from "./testing/kelpie-command.ts";

const image = "kelpie-debian-own-kernel";
const home = kelpieHome(realPlatform.host);

async function missing(): Promise<BenchSkip | undefined> {
  const { images } = await new ImageStore(realPlatform, home).list();
  const here = images.filter(({ architecture }) => architecture === realPlatform.host.architecture);
  return here.some(({ name }) => name === image) ? undefined : { skip: `there is no ${image} in ${home}` };
}

type Rest = Pick<BenchCase, "goal" | "runs">;

function inImage(name: string, rest: Rest, run: PreparedBench["run"]): BenchCase {
  return { name, ...rest, warmUps: 3, prepare: async () => (await missing()) ?? { run } };
}

function typed(name: string, rest: Rest, options: readonly string[]): BenchCase {
  return inImage(name, rest, () => void succeeds(home, ["run", "--image", image, ...options, "--", "true"]));
}

/** From the call until a sandbox is there, and with its first command. */
function created(name: string, rest: Rest, withCommand: boolean): BenchCase {
  return inImage(name, rest, async () => {
    const startMs = performance.now();
    await using sandbox = await Sandbox.create({ image, home, start: "warm" });
    if (!withCommand) return performance.now() - startMs;
    const { end } = await sandbox.exec({ argv: ["true"] }).collect();
    assert.equal(end.kind, "exited");
    return performance.now() - startMs;
  });
}

const cases: readonly BenchCase[] = [
  typed("run: true in a restored sandbox", { goal: { medianMs: 350 }, runs: 31 }, []),
  typed("run: true in a sandbox that boots", { goal: { medianMs: 1100 }, runs: 7 }, ["--cold"]),
  created("sandbox: restored by the library", { goal: { medianMs: 150 }, runs: 31 }, false),
  created("sandbox: restored by the library, with a first command", { runs: 31 }, true),
];
export default cases;
