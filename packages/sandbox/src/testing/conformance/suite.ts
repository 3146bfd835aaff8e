// The agent's behaviours as tests, for one way of reaching it.

import { after, before, describe, test } from "node:test";
import { checkRow, describeRow, pairwise, rows } from "./ends.ts";
import { processBehaviours } from "./processes.ts";
import { streamBehaviours } from "./streams.ts";
import type { Subject } from "./subject.ts";

/** How a run of the suite differs from others. */
export interface SuiteOptions {
  /** The reason why it is skipped. */
  readonly skip: string | false;
  /** Compares the ends of all combinations; else of so many that each two values meet. */
  readonly isComplete?: boolean;
  /** How many of the processes whose ends are compared run at once. */
  readonly atOnce?: number;
}

/** The suite against what `start` starts, once for all of it. */
export function describeAgent(
  way: string,
  start: () => Promise<Subject>,
  { skip, isComplete = false, atOnce = 8 }: SuiteOptions,
): void {
  describe(`the agent ${way}`, { skip, timeout: 180_000 }, () => {
    const started = Promise.withResolvers<Subject>();
    before(() => start().then(started.resolve, started.reject));
    after(async () => (await started.promise)[Symbol.asyncDispose]());
    for (const { name, needs, check } of [...streamBehaviours, ...processBehaviours]) {
      test(name, async (context) => {
        const subject = await started.promise;
        if (needs === undefined || (await hasFeature(subject, needs))) await check(subject);
        else context.skip(`this agent has no ${needs} here`);
      });
    }

    const compared = isComplete ? rows : pairwise();
    const name = `every process ends as it should (${compared.length} combinations)`;
    // Tests within a test take turns unless they are told otherwise.
    test(name, { concurrency: atOnce }, async (context) => {
      const left = [...compared];
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

async function hasFeature(subject: Subject, name: string): Promise<boolean> {
  await using session = await subject.session();
  const { features } = await session.client.info();
  return features.includes(name);
}
