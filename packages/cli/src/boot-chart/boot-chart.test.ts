import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { barsOf, chartSvg, chartText } from "./boot-chart.ts";

const boot = {
  totalMs: 1000,
  guestNowMs: 800,
  steps: [
    { name: "initrd", endMs: 500 },
    { name: "mounts", endMs: 600 },
    { name: "agent ready", endMs: 790 },
  ],
};

test("the guest's steps stand on the host's time line, after what the host took before the kernel ran", () => {
  assert.deepEqual(barsOf(boot), [
    { name: "virtual machine", startMs: 0, endMs: 200 },
    { name: "kernel", startMs: 200, endMs: 700 },
    { name: "mounts", startMs: 700, endMs: 800 },
    { name: "agent ready", startMs: 800, endMs: 990 },
    { name: "first answer", startMs: 990, endMs: 1000 },
  ]);
});

test("whatever a guest says of its times, bars touch, never run backwards and end with the boot", () => {
  const time = fc.oneof(fc.double({ min: 0, max: 1e6, noNaN: true }), fc.constant(Number.MAX_SAFE_INTEGER));
  const steps = fc.array(fc.record({ name: fc.string(), endMs: time }));
  fc.assert(
    fc.property(steps, fc.double({ min: 1, max: 1e5, noNaN: true }), time, (list, totalMs, guestNowMs) => {
      const bars = barsOf({ steps: list, totalMs, guestNowMs });
      assert.equal(bars[0]?.startMs, 0);
      assert.equal(bars.at(-1)?.endMs, totalMs);
      for (const [index, { startMs, endMs }] of bars.entries()) {
        assert.ok(startMs <= endMs);
        assert.equal(startMs, index === 0 ? 0 : bars[index - 1]?.endMs);
      }
      assert.equal(chartText(bars).trimEnd().split("\n").length, bars.length + 1);
    }),
  );
});

test("the table says how long each step took and when it ended", () => {
  assert.equal(
    chartText(barsOf(boot)).split("\n")[2],
    `kernel              500 ms     700 ms  ${" ".repeat(8)}${"█".repeat(20)}`,
  );
});

test("the picture is well formed, and a name from the guest stays a text in it", () => {
  const bars = [{ name: '<script>"&', startMs: 0, endMs: 5 }];
  const svg = chartSvg("image <1>", bars);
  assert.match(svg, /&lt;script&gt;&quot;&amp;<\/text>/);
  assert.match(svg, /image &lt;1&gt;: 5 ms/);
  assert.doesNotMatch(svg, /<script/);
});
