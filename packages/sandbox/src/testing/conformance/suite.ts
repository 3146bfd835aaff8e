// The agent's behaviours as tests, for one way of reaching it.

import { after, before, describe, test } from "node:test";
import { checkRow, describeRow, rows } from "./ends.ts";
import { behaviours } from "./streams.ts";
import type { Subject } from "./subject.ts";

/** How many of the processes whose ends are compared run at once. */
const atOnce = 8;

/** The suite against what `start` starts, once for all of it; or the reason why it is skipped. */
export function describeAgent(way: string, start: () => Promise<Subject>, skip: string | false): void {
  describe(`the agent ${way}`, { skip, timeout: 180_000 }, () => {
    const started = Promise.withResolvers<Subject>();
    before(() => start().then(started.resolve, started.reject));
    after(async () => (await started.promise)[Symbol.asyncDispose]());
    for (const { name, check } of behaviours) test(name, async () => check(await started.promise));

    const name = `every process ends as it should (${rows.length} combinations)`;
    // Tests within a test take turns unless they are told otherwise.
    test(name, { concurrency: atOnce }, async (context) => {
      const left = [...rows];
      const work = async (): Promise<void> => {
        for (let row = left.shift(); row !== undefined; row = left.shift()) {
          const checked = row;
          await context.test(describeRow(checked), async () => checkRow(await started.promise, checked));
        }
      };
      await Promise.all(Array.from({ length: atOnce }, work));
    });
  });
}
