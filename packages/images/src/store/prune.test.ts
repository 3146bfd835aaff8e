// What goes, what stays, and why.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatImageVersion, parseImageVersion } from "../version/image-version.ts";
import { distinctBytes, planPrune, type PruneCandidate, type PrunePolicy } from "./prune.ts";

const dayMs = 86_400_000;
const nowMs = 1000 * dayMs;

interface Given {
  readonly patch: number;
  readonly ageDays?: number;
  readonly unusedDays?: number;
  readonly tags?: readonly string[];
  readonly holders?: readonly string[];
  readonly name?: string;
  readonly gitSha?: string;
  readonly buildDate?: string;
  readonly content?: string;
  readonly size?: number;
}

function candidate(given: Given): PruneCandidate {
  const { patch, ageDays = 0, unusedDays = 0, tags = [], holders = [], name = "base", size = 100 } = given;
  const { content = `${patch}`, gitSha = "a3f4d21", buildDate = "2026-01-15T00:00:00Z" } = given;
  return {
    image: {
      name,
      tags,
      buildDate,
      architecture: "amd64",
      version: parseImageVersion(`1.0.${patch}-20260115-${gitSha}`),
      files: {
        "rootfs.ext4": { sizeBytes: size, sha256: content },
        vmlinuz: { sizeBytes: 10, sha256: "kernel" },
        initrd: { sizeBytes: 1, sha256: "initrd" },
      },
    },
    addedMs: nowMs - ageDays * dayMs,
    usedMs: nowMs - unusedDays * dayMs,
    holders,
  };
}

function goes(given: readonly Given[], policy: PrunePolicy): string[] {
  return planPrune(given.map(candidate), policy, nowMs)
    .filter(({ kind }) => kind === "goes")
    .map(({ candidate: { image }, reason }) => `${formatImageVersion(image.version).slice(0, 5)} ${reason}`);
}

test("images go by age and by time without use", () => {
  const given = [{ patch: 1, ageDays: 40 }, { patch: 2, ageDays: 3, unusedDays: 3 }, { patch: 3 }];
  assert.deepEqual(goes(given, { olderThanMs: 30 * dayMs }), ["1.0.1 40 days old"]);
  assert.deepEqual(goes(given, { unusedForMs: dayMs }), ["1.0.2 not used for 3 days"]);
  assert.deepEqual(goes(given, {}), []);
});

test("a count keeps the newest of each name, alone and against other rules", () => {
  const given = [1, 2, 3].map((patch) => ({ patch, ageDays: 9 }));
  const reason = "not among the newest 2 of its name";
  assert.deepEqual(goes(given, { keep: 2 }), [`1.0.1 ${reason}`]);
  assert.deepEqual(goes(given, { keep: 2, olderThanMs: dayMs }), ["1.0.1 9 days old"]);
  assert.deepEqual(goes([...given, { patch: 0, name: "other" }], { keep: 2 }), [`1.0.1 ${reason}`]);
});

test("of two builds of one day a count keeps the later, which is also `latest`", () => {
  const day = "2026-01-15";
  const given = [
    { patch: 1, gitSha: "f3f4d21", buildDate: `${day}T08:00:00Z`, unusedDays: 1 },
    { patch: 1, gitSha: "a3f4d21", buildDate: `${day}T17:30:00Z`, unusedDays: 2 },
  ];
  const [verdict] = planPrune(given.map(candidate), { keep: 1 }, nowMs).filter(({ kind }) => kind === "goes");
  assert.equal(verdict?.candidate.image.version.gitSha, "f3f4d21");
});

test("what is in use or tagged stays, whatever the rules", () => {
  const given = [
    { patch: 1, ageDays: 9, holders: ["sandbox a"] },
    { patch: 2, ageDays: 9, tags: ["stable"] },
  ];
  assert.deepEqual(goes(given, { olderThanMs: 1, maxBytes: 1 }), []);
});

test("by size, the least recently used go until the rest fits, and equal files count once", () => {
  const given = [
    { patch: 1, unusedDays: 1 },
    { patch: 2, unusedDays: 3 },
    { patch: 3, unusedDays: 2 },
  ];
  const reason = "the least recently used, and all are too large";
  assert.deepEqual(goes(given, { maxBytes: 311 }), []);
  assert.deepEqual(goes(given, { maxBytes: 310 }), [`1.0.2 ${reason}`]);
  assert.deepEqual(
    goes(
      given.map((each) => ({ ...each, content: "same" })),
      { maxBytes: 111 },
    ),
    [],
  );
});

test("by size, no more than needed goes, and it suffices where that is possible", () => {
  const given = fc.uniqueArray(
    fc.record({
      patch: fc.nat(99),
      unusedDays: fc.nat(99),
      size: fc.nat(1000),
      content: fc.constantFrom("a", "b", "c"),
    }),
    { maxLength: 12, selector: ({ unusedDays }) => unusedDays },
  );
  fc.assert(
    fc.property(given, fc.nat(4000), (images, maxBytes) => {
      const sizes = { a: 300, b: 20, c: 1000 };
      const candidates = images.map((each) => candidate({ ...each, size: sizes[each.content] }));
      const verdicts = planPrune(candidates, { maxBytes }, nowMs);
      const of = (kind: string): PruneCandidate[] =>
        verdicts.filter((verdict) => verdict.kind === kind).map((verdict) => verdict.candidate);
      assert.equal(verdicts.length, candidates.length);
      assert.ok(distinctBytes(of("stays")) <= maxBytes || of("stays").length === 0);
      const last = of("goes").toSorted((a, b) => b.usedMs - a.usedMs)[0];
      if (last !== undefined) assert.ok(distinctBytes([...of("stays"), last]) > maxBytes);
    }),
  );
});
