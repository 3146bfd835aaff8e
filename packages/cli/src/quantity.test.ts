// Numbers given to options.

import assert from "node:assert/strict";
import { test } from "node:test";
import { KelpieError } from "@kelpie/platform";
import { parseBytes, parseCount, parseDays, parseMebibytes, parseSeconds } from "./quantity.ts";

const count = (text: string): number => parseCount(text, "processors");

for (const [parse, text, value] of [
  [count, "1", 1],
  [count, "256", 256],
  [parseMebibytes, "512", 512],
  [parseMebibytes, "512M", 512],
  [parseMebibytes, "2G", 2048],
  [parseMebibytes, "1gib", 1024],
  [parseSeconds, "0.5", 0.5],
  [parseSeconds, "90s", 90],
  [parseSeconds, "5m", 300],
  [parseSeconds, "1h", 3600],
  [parseDays, "12h", 0.5],
  [parseDays, "2w", 14],
  [parseBytes, "500M", 5e8],
  [parseBytes, "1.5TB", 1.5e12],
] as const) {
  test(`${text} is ${value}`, () => assert.equal(parse(text), value));
}

for (const [parse, text] of [
  [count, "0"],
  [count, "-1"],
  [count, "257"],
  [count, "two"],
  [count, ""],
  [parseMebibytes, "0"],
  [parseMebibytes, "31"],
  [parseMebibytes, "512T"],
  [parseMebibytes, "1e3"],
  [parseSeconds, "0"],
  [parseSeconds, "soon"],
  [parseDays, "30"],
  [parseDays, "0d"],
  [parseBytes, "20"],
  [parseBytes, "9999T"],
  [parseSeconds, "-5"],
  [parseSeconds, "999999999h"],
] as const) {
  test(`${JSON.stringify(text)} is wrong usage`, () => {
    assert.throws(
      () => parse(text),
      (error) => KelpieError.is(error) && error.code === "usage",
    );
  });
}
