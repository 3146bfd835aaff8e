import assert from "node:assert/strict";
import { test } from "node:test";
import type { BenchCase } from "./case.ts";
import { selectCases } from "./load.ts";
import { measureCase, timingOf } from "./measure.ts";
import { describeResult } from "./report.ts";

const context = { scratch: "/nowhere", checkout: "/nowhere" };

test("the median is the middle of an odd number of runs and between the middle two of an even number", () => {
  assert.equal(timingOf([5, 1, 3]).median, 3);
  assert.equal(timingOf([4, 1, 3, 100]).median, 3.5);
  assert.deepEqual(timingOf([30, 10], 10), { median: 2, min: 1, max: 3, samples: [3, 1] });
});

test("a case and its reference run in turn, after a warm-up, each behind a reset", async () => {
  const calls: string[] = [];
  const benchCase: BenchCase = {
    name: "turns",
    runs: 2,
    goal: { ratio: 1 },
    prepare: () => ({
      note: () => `${calls.length} calls`,
      reset: () => void calls.push("reset"),
      run: () => Promise.resolve(calls.push("own") && 10),
      reference: { name: "other", run: () => calls.push("other") && 5 },
      cleanUp: () => void calls.push("clean"),
    }),
  };
  const result = await measureCase(benchCase, context);
  assert.deepEqual(calls, [...Array<string[]>(3).fill(["reset", "own", "reset", "other"]).flat(), "clean"]);
  assert.ok(result.status === "measured");
  assert.deepEqual(result.timing.samples, [10, 10]);
  assert.equal(result.ratio, 2);
  assert.match(
    describeResult(result),
    /median 10 ms, 10 ms to 10 ms, 2 runs.*\n.*5 ms.* ratio 2.00\n.*missed\n {2}12 calls$/,
  );
});

test("a failing run fails the case, and what it prepared is cleaned up", async () => {
  let cleaned = false;
  const benchCase: BenchCase = {
    name: "fails",
    prepare: () => ({
      run: () => Promise.reject(new Error("broken")),
      cleanUp: () => void (cleaned = true),
    }),
  };
  await assert.rejects(measureCase(benchCase, context), /broken/);
  assert.ok(cleaned);
});

test("a case that this machine cannot run says why", async () => {
  const result = await measureCase({ name: "x", prepare: () => ({ skip: "no tool" }) }, context);
  assert.equal(describeResult(result), "x\n  skipped: no tool");
});

test("words select the cases that have all of them in name or file", () => {
  const located = ["ext4: small", "ext4: large", "pull"].map((name) => ({
    file: "packages/a/src/a.bench.ts",
    benchCase: { name, prepare: () => ({ skip: "" }) },
  }));
  const names = (...words: string[]): string[] =>
    selectCases(located, words).map(({ benchCase }) => benchCase.name);
  assert.deepEqual(names("EXT4", "large"), ["ext4: large"]);
  assert.deepEqual(names("a.bench"), ["ext4: small", "ext4: large", "pull"]);
  assert.deepEqual(names("nothing"), []);
});
