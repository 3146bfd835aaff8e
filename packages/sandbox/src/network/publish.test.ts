// What a person writes after `--publish`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { KelpieError } from "@kelpie/platform";
import { parsePublish } from "./publish.ts";

const isUsage = (error: unknown): boolean => KelpieError.is(error) && error.code === "usage";

test("a published port is on the loopback unless an address is named", () => {
  assert.deepEqual(parsePublish("8080:80"), { hostAddress: "127.0.0.1", hostPort: 8080, guestPort: 80 });
  assert.deepEqual(parsePublish("0.0.0.0:1:2"), { hostAddress: "0.0.0.0", hostPort: 1, guestPort: 2 });
  for (const bad of ["80", "0:80", "80:0", "a:80", "80:b", "1:2:3:4", "host:1:2", "70000:1", ""]) {
    assert.throws(() => parsePublish(bad), isUsage, bad);
  }
});
