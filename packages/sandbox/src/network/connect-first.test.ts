// Which of several addresses is taken.

import assert from "node:assert/strict";
import { test } from "node:test";
import { realPlatform } from "@kelpie/platform";
import { connectFirst } from "./connect-first.ts";

const { clock } = realPlatform;
const never = new AbortController().signal;

/** Resolves or rejects at once, or waits for its signal; one sees the end of the time come. */
type Behaviour = "answers" | "refuses" | "is silent" | "sees the end";

async function connect(
  behaviours: Readonly<Record<string, Behaviour>>,
): Promise<{ readonly address: string | undefined; readonly asked: string[]; readonly ended: string[] }> {
  const asked: string[] = [];
  const ended: string[] = [];
  const time = new AbortController();
  const dial = async (address: string, stop: AbortSignal): Promise<string> => {
    asked.push(address);
    if (behaviours[address] === "answers") return address;
    if (behaviours[address] === "refuses") throw new Error(`${address} refuses`);
    if (behaviours[address] === "sees the end") setImmediate(() => time.abort());
    return await new Promise((_, reject) => {
      stop.addEventListener(
        "abort",
        () => {
          ended.push(address);
          reject(new Error("stopped"));
        },
        { once: true },
      );
    });
  };
  const made = connectFirst(clock, Object.keys(behaviours), dial, () => undefined, time.signal);
  return { address: await made.then(({ address }) => address).catch(() => undefined), asked, ended };
}

for (const { what, behaviours, address, asked, ended } of [
  {
    what: "one that answers",
    behaviours: { a: "answers", b: "answers" },
    address: "a",
    asked: ["a"],
    ended: [],
  },
  {
    what: "the next after one that refuses",
    behaviours: { a: "refuses", b: "answers" },
    address: "b",
    asked: ["a", "b"],
    ended: [],
  },
  {
    what: "the next after one that is silent",
    behaviours: { a: "is silent", b: "answers", c: "answers" },
    address: "b",
    asked: ["a", "b"],
    ended: ["a"],
  },
  {
    what: "none where all refuse",
    behaviours: { a: "refuses", b: "refuses" },
    address: undefined,
    asked: ["a", "b"],
    ended: [],
  },
] as const) {
  test(`of several addresses is taken ${what}`, async () => {
    assert.deepEqual(await connect(behaviours), { address, asked, ended });
  });
}

test("the end of the time ends all attempts", async () => {
  const found = await connect({ a: "is silent", b: "sees the end" });
  assert.deepEqual(found, { address: undefined, asked: ["a", "b"], ended: ["a", "b"] });
});

test("a connection that comes too late is discarded", async () => {
  const late = Promise.withResolvers<string>();
  const discarded = Promise.withResolvers<string>();
  const dial = (address: string): Promise<string> => (address === "a" ? late.promise : Promise.resolve("b"));
  const made = await connectFirst(clock, ["a", "b"], dial, discarded.resolve, never);
  assert.equal(made.connection, "b");
  late.resolve("a");
  assert.equal(await discarded.promise, "a");
});
