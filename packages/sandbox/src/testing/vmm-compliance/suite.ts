// What every monitor must do, as tests: one suite, whichever the monitor.

import { after, before, describe, test, type TestContext } from "node:test";
import type { Behaviour, Running } from "./behaviour.ts";
import { lives } from "./lives.ts";
import { diskBytes, whileRunning } from "./running.ts";
import { answering, specOf, type VmmSubject } from "./subject.ts";

/** The suite against what `open` opens, once for all of it; or the reason why it is skipped. */
export function describeVmm(which: string, open: () => Promise<VmmSubject>, skip: string | false): void {
  describe(`the monitor ${which}`, { skip, timeout: 600_000 }, () => {
    const opened = Promise.withResolvers<VmmSubject>();
    before(() => open().then(opened.resolve, opened.reject));
    after(async () => (await opened.promise)[Symbol.asyncDispose]());

    describe("while a machine runs", () => {
      const started = Promise.withResolvers<Running & AsyncDisposable>();
      before(async () => {
        const subject = await opened.promise;
        const spec = await specOf(subject, { cpus: 2, hostname: "compliance", diskBytes });
        started.resolve({ ...(await answering(subject, spec)), spec });
      });
      after(async () => (await started.promise)[Symbol.asyncDispose]());
      for (const behaviour of whileRunning) {
        test(behaviour.name, async (context) => run(context, behaviour, await started.promise));
      }
    });

    for (const behaviour of lives) {
      test(behaviour.name, (context) => run(context, behaviour, undefined));
    }

    async function run<C>(context: TestContext, behaviour: Behaviour<C>, running: C): Promise<void> {
      const subject = await opened.promise;
      const reason = behaviour.notFor?.(subject.vmm.capabilities, subject.guest);
      if (reason === undefined) await behaviour.check(running, subject);
      else context.skip(reason);
    }
  });
}
