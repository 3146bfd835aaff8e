// Frames on a stream that is cut anywhere.

import assert from "node:assert/strict";
import { duplexPair } from "node:stream";
import { test } from "node:test";
import { KelpieError } from "@kelpie/platform";
import { FrameLink } from "./frame-link.ts";

test("frames are found wherever the stream is cut, and one that is too long ends it", async () => {
  const [ours, theirs] = duplexPair();
  const link = new FrameLink(ours);
  const reading = (async () => {
    const sizes: number[] = [];
    try {
      for await (const frame of link.frames()) sizes.push(frame.length);
    } catch (error) {
      return { sizes, error };
    }
    return { sizes, error: undefined };
  })();
  const lengths = [1, 60, 0, 1500, 16_000];
  const whole = Buffer.concat(
    lengths.map((length) => {
      const frame = Buffer.alloc(4 + length);
      frame.writeUInt32BE(length);
      return frame;
    }),
  );
  for (let at = 0; at < whole.length; at += 997) theirs.write(whole.subarray(at, at + 997));
  theirs.write(Buffer.from([0xff, 0, 0, 0]));
  const { sizes, error } = await reading;
  assert.deepEqual(sizes, lengths);
  assert.ok(KelpieError.is(error) && error.code === "malformed");
});
