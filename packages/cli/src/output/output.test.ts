// What people see: sizes and tables.

import assert from "node:assert/strict";
import { test } from "node:test";
import { formatSize } from "./size.ts";
import { formatTable } from "./table.ts";

for (const [sizeBytes, text] of [
  [0, "0 B"],
  [999, "999 B"],
  [1000, "1.00 kB"],
  [28_849_152, "28.8 MB"],
  [999_600, "1.00 MB"],
  [1_230_000_000, "1.23 GB"],
] as const) {
  test(`${sizeBytes} bytes are ${text}`, () => assert.equal(formatSize(sizeBytes), text));
}

test("a table aligns its columns and ends no line with spaces", () => {
  assert.equal(
    formatTable(
      ["A", "LONG", "C"],
      [
        ["first", "x", "1"],
        ["b", "y", ""],
      ],
    ),
    "A      LONG  C\nfirst  x     1\nb      y\n",
  );
});
