// Many processes, one image, and death at any moment. `testing/kill-rounds.ts` plays a thousand of these rounds.

import assert from "node:assert/strict";
import { test } from "node:test";
import { killRounds } from "./testing/kill-rounds.ts";

test("of processes that fetch one image and are killed at random, none loses or corrupts anything", async () => {
  const { killed, finished } = await killRounds({ rounds: 3, processes: 8 });
  const deaths = [...killed.values()].reduce((sum, count) => sum + count, 0);
  assert.equal(deaths + finished, 24);
  assert.ok(deaths > 0);
});
