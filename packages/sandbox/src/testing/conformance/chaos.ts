// Sessions cut at any byte, stale bytes before and in them, and the agent killed at random: no end of a process may be
// lost, and none may run twice.

import type { Duplex } from "node:stream";
import { describeError, KelpieError, realPlatform } from "@kelpie/platform";
import { AgentClient } from "../../agent/agent-client.ts";
import { chooseJob, judge } from "./chaos-job.ts";
import { hostileLink } from "./chaos-link.ts";

/** Longer than a client tries to come back. */
const stuckAfterMs = 150_000;
/** PID 1 waits longer before each start of an agent that dies again and again. */
const backWithinMs = 60_000;
const probe = { everyMs: 300, answerWithinMs: 2000 };

/** What chaos to make. */
export interface ChaosOptions {
  /** The same seed makes the same choices; what they meet still differs from run to run. */
  readonly seed: number;
  readonly forMs: number;
  /** Ports that each have one worker. */
  readonly ports: readonly number[];
  readonly open: (port: number, signal: AbortSignal) => Promise<Duplex>;
  /** A port without chaos, for the books. */
  readonly calmPort: number;
  /** Mean time between kills of the agent; never when absent. Its processes end with it. */
  readonly killEveryMs?: number;
  /** Kills the agent, so that another is started. Default: as a process of its guest. */
  readonly kill?: (calm: AgentClient) => Promise<unknown>;
}

/** What came of it. */
export interface ChaosResult {
  /** Processes whose end and output came whole. */
  readonly ended: number;
  /** That were told that the agent died under them, and it did. */
  readonly lostWithAgent: number;
  /** That were told that nobody knows whether they ran, where the agent had died; and how many of those had run. */
  readonly uncertain: number;
  readonly uncertainThatRan: number;
  /** That could not be asked for, as no agent was there. */
  readonly unreachable: number;
  readonly cuts: number;
  readonly agentKills: number;
  /** The longest of all, from its start to its end. */
  readonly slowestMs: number;
  /** What must not be, by kind. */
  readonly doubled: readonly string[];
  readonly lost: readonly string[];
  readonly garbled: readonly string[];
  readonly neverRan: readonly string[];
}

/** What must not be, in all. */
export function failures({ doubled, lost, garbled, neverRan }: ChaosResult): string[] {
  return [
    ...doubled.map((name) => `${name} ran twice`),
    ...lost.map((what) => `lost: ${what}`),
    ...garbled.map((what) => `garbled: ${what}`),
    ...neverRan.map((name) => `${name} ended and never ran`),
  ];
}

/** Makes chaos and checks what comes of every process. */
export async function makeChaos(options: ChaosOptions): Promise<ChaosResult> {
  const { ports, open, calmPort, forMs, killEveryMs, kill = killFromWithin } = options;
  const random = generator(options.seed);
  const book = `/tmp/chaos-${options.seed}-${Math.trunc(performance.now())}`;
  const endMs = performance.now() + forMs;
  const count = { ended: 0, lostWithAgent: 0, unreachable: 0, cuts: 0, agentKills: 0, slowestMs: 0 };
  const names = { ended: new Array<string>(), uncertain: new Array<string>() };
  const wrongs = { lost: new Array<string>(), garbled: new Array<string>() };
  /** Odd while the agent is killed and not back. */
  let kills = 0;
  /** The instance that serves; undefined while none does. */
  let current: string | undefined;

  const worker = async (port: number): Promise<void> => {
    /** Whom the last session was with. */
    let instance: string | undefined;
    const events = {
      onInstance(id: string) {
        instance = id;
      },
      onCut() {
        count.cuts++;
      },
    };
    const openHostile = async (signal: AbortSignal): Promise<Duplex> =>
      await hostileLink(await open(port, signal), random, events);
    await using client = new AgentClient({ ...realPlatform, probe, open: openHostile });
    for (let serial = 0; performance.now() < endMs; serial++) {
      const job = chooseJob(`${port}.${serial}`, book, random);
      const [killsBefore, startMs] = [kills, performance.now()];
      const wasStale = instance !== undefined && instance !== current;
      try {
        const wrong = judge(job, await job.run(client, AbortSignal.timeout(stuckAfterMs)));
        if (wrong === undefined) count.ended++;
        else wrongs.garbled.push(wrong);
        names.ended.push(job.name);
      } catch (error) {
        const code = KelpieError.is(error) ? error.code : "none";
        const isUncertain = code === "guest-lost" && /not known whether/.test(describeError(error));
        const wasAway = kills !== killsBefore || kills % 2 === 1;
        // The only excuses: the agent was killed meanwhile; or the session was still with one that had been killed before.
        if (isUncertain && (wasAway || wasStale)) names.uncertain.push(job.name);
        else if (code === "guest-lost" && wasAway) count.lostWithAgent++;
        else if (code === "timeout" && wasAway) count.unreachable++;
        else
          wrongs.lost.push(
            `${job.name} after ${Math.trunc(performance.now() - startMs)} ms: ${describeError(error)}`,
          );
      }
      count.slowestMs = Math.max(count.slowestMs, Math.trunc(performance.now() - startMs));
    }
  };

  await using calm = new AgentClient({ ...realPlatform, probe, open: (signal) => open(calmPort, signal) });
  const look = async (): Promise<void> => {
    await calm.waitUntilReady(AbortSignal.timeout(backWithinMs));
    current = (await calm.info()).instanceId;
  };
  const killer = async (): Promise<void> => {
    while (killEveryMs !== undefined && performance.now() < endMs) {
      const leftMs = endMs - performance.now();
      const pauseMs = killEveryMs * (0.5 + random());
      await realPlatform.clock.sleep(Math.min(pauseMs, leftMs));
      if (pauseMs > leftMs) return;
      kills++;
      count.agentKills++;
      current = undefined;
      await kill(calm);
      await look();
      kills++;
    }
  };
  await look();
  await Promise.all([...ports.map(worker), killer()]);
  const ran = Buffer.from(await calm.files.readAll(book))
    .toString()
    .trim()
    .split("\n");
  await calm.files.remove(book);
  const once = new Set(ran);
  return {
    ...count,
    ...wrongs,
    uncertain: names.uncertain.length,
    uncertainThatRan: names.uncertain.filter((name) => once.has(name)).length,
    doubled: ran.filter((name, index) => ran.indexOf(name) !== index),
    neverRan: names.ended.filter((name) => !once.has(name)),
  };
}

/** The shell's parent is the agent, which takes this very process with it. */
async function killFromWithin(calm: AgentClient): Promise<void> {
  await calm
    .exec({ argv: ["/bin/sh", "-c", "kill -9 $PPID"] })
    .collect()
    .catch(() => undefined);
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
