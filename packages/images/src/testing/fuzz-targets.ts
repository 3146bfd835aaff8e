// Tables of fuzz targets as tests: whatever is made of a corpus is read, or refused with a KelpieError.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fuzz } from "@kelpie/formats";

export type FuzzTarget = readonly [
  name: string,
  corpus: readonly (string | Uint8Array)[],
  run: (input: Uint8Array) => unknown,
];

/** One test for each. The first input of a corpus must be one that is read. */
export function testFuzzTargets(targets: readonly FuzzTarget[]): void {
  for (const [name, corpus, run] of targets) {
    test(`${name}: damaged, it is read, or refused with a KelpieError`, async () => {
      const inputs = corpus.map((each) => (typeof each === "string" ? new TextEncoder().encode(each) : each));
      const { accepted } = await fuzz({ name, corpus: inputs, run });
      assert.ok(accepted > 0, "not even the undamaged one is read");
    });
  }
}

/** What a parser of text is given. */
export function text(input: Uint8Array): string {
  return new TextDecoder().decode(input);
}
