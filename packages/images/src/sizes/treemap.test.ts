import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Rectangle, squarify } from "./treemap.ts";

const room = { x: 10, y: 20, width: 960, height: 540 };
const slack = 1e-6;
const area = ({ width, height }: Rectangle): number => width * height;
const near = (a: number, b: number): boolean =>
  Math.abs(a - b) <= slack * Math.max(1, Math.abs(a), Math.abs(b));

const sizes = fc.array(fc.oneof(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 1e12 })), {
  minLength: 1,
  maxLength: 60,
});
const rooms = fc.record({
  x: fc.integer({ min: -100, max: 100 }),
  y: fc.integer({ min: -100, max: 100 }),
  width: fc.integer({ min: 1, max: 4000 }),
  height: fc.integer({ min: 1, max: 4000 }),
});

test("every rectangle lies inside, has the area that its size is of the whole, and none lies over another", () => {
  fc.assert(
    fc.property(sizes, rooms, (values, within) => {
      const total = values.reduce((sum, value) => sum + value, 0);
      fc.pre(total > 0);
      const found = squarify(values, within);
      assert.equal(found.length, values.length);
      for (const [index, each] of found.entries()) {
        assert.ok(each.width >= 0 && each.height >= 0);
        assert.ok(each.x >= within.x - slack && each.y >= within.y - slack);
        assert.ok(each.x + each.width <= within.x + within.width + slack);
        assert.ok(each.y + each.height <= within.y + within.height + slack);
        assert.ok(near(area(each), (area(within) * (values[index] ?? 0)) / total), `${index}`);
        for (const other of found.slice(index + 1)) {
          const across = Math.min(each.x + each.width, other.x + other.width) - Math.max(each.x, other.x);
          const down = Math.min(each.y + each.height, other.y + other.height) - Math.max(each.y, other.y);
          assert.ok(Math.min(across, down) <= slack, `${index} lies over another`);
        }
      }
    }),
    { numRuns: 300 },
  );
});

test("the example of the paper comes out as it is drawn there", () => {
  const found = squarify([6, 6, 4, 3, 2, 2, 1], { x: 0, y: 0, width: 6, height: 4 });
  const [first, second, third] = found;
  assert.deepEqual(
    [first, second].map((each) => [each?.width, each?.height]),
    [
      [3, 2],
      [3, 2],
    ],
  );
  assert.ok(third !== undefined && near(third.width, 12 / 7) && near(third.height, 7 / 3));
});

test("equal sizes in a square come out as squares", () => {
  for (const each of squarify([1, 1, 1, 1], { x: 0, y: 0, width: 100, height: 100 }))
    assert.ok(near(each.width, 50) && near(each.height, 50));
});

test("nothing at all gives no rectangle, and nothing but zeros gives none with an area", () => {
  assert.deepEqual(squarify([], room), []);
  for (const each of squarify([0, 0], room)) assert.equal(area(each), 0);
});
