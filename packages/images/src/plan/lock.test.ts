import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { ResolvedPackage } from "@kelpie/repositories";
import { KelpieError } from "@kelpie/platform";
import type { ImageSpec } from "../spec/image-spec.ts";
import {
  type ImageLock,
  type LockedImage,
  lockedFor,
  lockPath,
  lockText,
  parseLock,
  requestSha256,
} from "./lock.ts";

const spec: ImageSpec = {
  name: "small",
  description: "",
  version: "1.0.0",
  architecture: "amd64",
  distribution: "debian",
  base: undefined,
  repositories: { alpine: [], debian: { release: "bookworm" } },
  keys: { alpine: [], debian: [] },
  packages: ["bash"],
  assume: [],
  kernel: { source: "debian", package: "linux-image-cloud-amd64" },
  files: {},
  overlays: [],
  users: [],
  groups: [],
  environment: {},
  hostname: "kelpie",
  sizeBytes: undefined,
  freeBytes: undefined,
  journalBytes: undefined,
  scripts: {},
  init: { services: [], mounts: [] },
};

const digit = fc.constantFrom(...Array.from("0123456789abcdef"));
const hex = (length: number): fc.Arbitrary<string> =>
  fc.string({ unit: digit, minLength: length, maxLength: length });
const word = fc.string({ minLength: 1, maxLength: 30, unit: "grapheme" });
const chosen: fc.Arbitrary<ResolvedPackage> = fc.record(
  {
    ecosystem: fc.constantFrom("alpine", "debian"),
    name: word,
    version: word,
    architecture: fc.constantFrom("amd64", "arm64"),
    location: word,
    sizeBytes: fc.maxSafeNat(),
    digest: word,
    source: word,
    license: word,
  },
  {
    requiredKeys: ["ecosystem", "name", "version", "architecture", "location", "sizeBytes", "digest"],
    noNullPrototype: true,
  },
);
const digest = hex(64).map((digits) => `sha256:${digits}`);
const image: fc.Arbitrary<LockedImage> = fc.record(
  {
    requestSha256: hex(64),
    base: fc.option(fc.record({ location: word, sha512: hex(128) }, { noNullPrototype: true }), {
      nil: undefined,
    }),
    packages: fc.array(chosen, { maxLength: 4 }),
    kernel: fc.option(chosen, { nil: undefined }),
    guest: fc.record({ init: digest, agent: digest }, { noNullPrototype: true }),
  },
  { noNullPrototype: true },
);
const lock: fc.Arbitrary<ImageLock> = fc.record(
  { amd64: image, arm64: image },
  { requiredKeys: [], noNullPrototype: true },
);

test("a lock that is written is read back as it was, and has one text", () => {
  fc.assert(
    fc.property(lock, (value) => {
      const text = lockText(value);
      const back = parseLock(text, "x.lock.yaml");
      assert.deepEqual(back, value);
      assert.equal(lockText(back), text);
    }),
  );
});

test("what is not a lock is refused with its field", () => {
  assert.throws(() => parseLock("lockVersion: 2\narchitectures: {}\n", "x"), {
    code: "malformed",
    message: /lockVersion/,
  });
  assert.throws(() => parseLock("a: [", "x"), { code: "malformed" });
  assert.throws(() => parseLock("a: &a [1]\nb: *a\n", "x"), { code: "malformed" });
  fc.assert(
    fc.property(fc.string({ maxLength: 200 }), (text) => {
      try {
        parseLock(text, "x");
      } catch (error) {
        assert.ok(KelpieError.is(error), String(error));
      }
    }),
  );
});

test("a lock holds while the request is the same, whatever else changes in the spec", () => {
  const locked: LockedImage = {
    requestSha256: requestSha256(spec),
    base: undefined,
    packages: [],
    kernel: undefined,
    guest: { init: "", agent: "" },
  };
  assert.equal(
    lockedFor({ amd64: locked }, { ...spec, hostname: "other", environment: { A: "b" } }, "x"),
    locked,
  );
  for (const changed of [
    { ...spec, packages: ["bash", "dash"] },
    { ...spec, assume: ["debconf"] },
    { ...spec, kernel: { source: "debian", package: "linux-image-amd64" } as const },
    { ...spec, repositories: { alpine: [], debian: { release: "trixie" } } },
  ]) {
    assert.throws(() => lockedFor({ amd64: locked }, changed, "x"), {
      code: "invalid-input",
      help: /images lock/,
    });
  }
  assert.throws(() => lockedFor({ arm64: locked }, spec, "x"), { code: "invalid-input", message: /amd64/ });
});

test("a lock stands beside its spec", () => {
  assert.equal(lockPath("images/kelpie-base.yaml"), "images/kelpie-base.lock.yaml");
  assert.equal(lockPath("a.yml"), "a.lock.yaml");
  assert.equal(lockPath("a"), "a.lock.yaml");
});
