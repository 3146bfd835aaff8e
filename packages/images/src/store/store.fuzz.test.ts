// The store's own notes, damaged by whatever befalls a disk: read, or taken for none.

import assert from "node:assert/strict";
import { type Platform, realPlatform } from "@kelpie/platform";
import { testFuzzTargets } from "../testing/fuzz-targets.ts";
import { leaseHolders } from "./leases.ts";
import { readTags } from "./tags.ts";

const read = (input: Uint8Array): Platform["files"] => ({
  ...realPlatform.files,
  stat: () => realPlatform.files.stat("/"),
  list: () => Promise.resolve(["a"]),
  readFile: () => Promise.resolve(input),
  remove: () => Promise.resolve(),
});

testFuzzTargets([
  [
    "tags",
    ['{"schemaVersion":1,"tags":{"stable":"1.2.3"},"references":{"ghcr.io/o/i:1":"1.2.3"}}'],
    (input) => readTags({ files: read(input) }, "/x"),
  ],
  [
    "lease",
    [
      '{"schemaVersion":1,"holder":"sandbox a","whileExists":"/"}',
      '{"schemaVersion":1,"holder":"a","process":{"pid":1,"startTime":"2"}}',
    ],
    async (input) => {
      const holders = await leaseHolders({ ...realPlatform, files: read(input) }, "/x", "image");
      assert.ok(holders.length <= 1);
    },
  ],
]);
