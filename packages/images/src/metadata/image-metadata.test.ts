// metadata.json as a stranger may send it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { KelpieError } from "@kelpie/platform";
import { parseImageMetadata } from "./image-metadata.ts";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

for (const [what, bytes] of [
  ["text that is not JSON", encode("{")],
  ["bytes that are not UTF-8", Uint8Array.of(0xff, 0xfe)],
  ["JSON of another shape", encode("[]")],
  ["a field too many", encode('{"schemaVersion":1,"extra":true}')],
] as const) {
  test(`${what} is malformed metadata`, () => {
    assert.throws(
      () => parseImageMetadata(bytes, "here/metadata.json"),
      (error) => KelpieError.is(error) && error.code === "malformed" && error.where === "here/metadata.json",
    );
  });
}
