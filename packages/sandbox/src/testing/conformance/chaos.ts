// Sessions cut at any byte, stale bytes before and in them, and the agent killed at random: no end of a process may be
// lost, and none may run twice.

import assert from "node:assert/strict";
import type { Duplex } from "node:stream";
import { KelpieError, realPlatform } from "@kelpie/platform";
import { AgentClient } from "../../agent/agent-client.ts";
import { socketPair } from "./socket-pair.ts";

/** A hello and its answer, 145 bytes. */
const handshakeBytes = 150;

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
}

/** What came of it. */
export interface ChaosResult {
  readonly ended: number;
  /** Executions that were told that the agent was killed under them. */
  readonly lostWithAgent: number;
  readonly cuts: number;
  readonly agentKills: number;
}

/** Makes chaos and checks what comes of every process. */
export async function makeChaos(options: ChaosOptions): Promise<ChaosResult> {
  const { ports, open, calmPort, forMs, killEveryMs } = options;
  const random = generator(options.seed);
  const book = `/tmp/chaos-${options.seed}-${Math.trunc(performance.now())}`;
  const endMs = performance.now() + forMs;
  const result = { ended: 0, lostWithAgent: 0, cuts: 0, agentKills: 0 };
  const started = new Map<string, boolean>();
  let kills = 0;

  const worker = async (port: number): Promise<void> => {
    const probe = { everyMs: 300, answerWithinMs: 2000 };
    const openHostile = async (signal: AbortSignal): Promise<Duplex> => {
      const stream = await open(port, signal);
      if (random() < 0.3) stream.write(Buffer.from("\0\0\u0009stale KELPIE-HELLO 1 00"));
      const garbles = random() < 0.4;
      // A handshake that is garbled is waited out, so that one is only cut.
      const least = garbles ? handshakeBytes : 1;
      return endingAfter(stream, least + Math.trunc(random() ** 3 * 200_000), () => {
        result.cuts++;
        if (garbles) stream.write(Buffer.from("KELPIE garbage"));
        else stream.destroy();
      });
    };
    await using client = new AgentClient({ ...realPlatform, probe, open: openHostile });
    for (let serial = 0; performance.now() < endMs; serial++) {
      const name = `${port}.${serial}`;
      const code = Math.trunc(random() * 200);
      const size = Math.trunc(random() ** 2 * 100_000);
      const script = `echo ${name} >> ${book}; head -c ${size} /dev/zero; sleep 0.0${Math.trunc(random() * 9)}; exit ${code}`;
      const killsBefore = kills;
      started.set(name, false);
      try {
        const { stdout, end } = await client.exec({ argv: ["/bin/sh", "-c", script] }).collect();
        assert.deepEqual(end, { kind: "exited", code, cause: "own" }, name);
        assert.equal(stdout.length, size, name);
        started.set(name, true);
        result.ended++;
      } catch (error) {
        // The only excuse: the agent was killed meanwhile, or had not come back yet.
        const wasAway = kills !== killsBefore || kills % 2 === 1;
        const isLost = KelpieError.is(error) && (error.code === "guest-lost" || error.code === "timeout");
        if (!isLost || !wasAway) throw error;
        result.lostWithAgent++;
      }
    }
  };

  const killer = async (client: AgentClient): Promise<void> => {
    while (killEveryMs !== undefined && performance.now() < endMs) {
      const leftMs = endMs - performance.now();
      const pauseMs = killEveryMs * (0.5 + random());
      await realPlatform.clock.sleep(Math.min(pauseMs, leftMs));
      if (pauseMs > leftMs) return;
      kills++;
      result.agentKills++;
      // The shell's parent is the agent, which takes this very process with it.
      await client
        .exec({ argv: ["/bin/sh", "-c", "kill -9 $PPID"] })
        .collect()
        .catch(() => undefined);
      // PID 1 waits longer before each start of an agent that dies again and again.
      await client.waitUntilReady(AbortSignal.timeout(30_000));
      kills++;
    }
  };

  await using calm = new AgentClient({
    ...realPlatform,
    probe: { everyMs: 300, answerWithinMs: 2000 },
    open: (signal) => open(calmPort, signal),
  });
  await Promise.all([...ports.map(worker), killer(calm)]);
  const ran = Buffer.from(await calm.files.readAll(book))
    .toString()
    .trim()
    .split("\n");
  assert.equal(new Set(ran).size, ran.length, "a process ran twice");
  for (const [name, isEnded] of started)
    assert.ok(!isEnded || ran.includes(name), `${name} ended and never ran`);
  await calm.files.remove(book);
  return result;
}

/** `stream`, on which `onEnd` is called at this very byte of what goes either way, and nothing passes after it. */
async function endingAfter(stream: Duplex, sizeBytes: number, onEnd: () => void): Promise<Duplex> {
  const [ours, inner] = await socketPair();
  let left = sizeBytes;
  const pass = (from: Duplex, to: Duplex): void => {
    from.on("error", () => to.destroy());
    from.on("close", () => to.destroy());
    // An end that the host's side lets go of: the port has to be free for its next session.
    from.on("end", () => to.destroy());
    from.on("data", (chunk: Buffer) => {
      if (left <= 0) return;
      if (!to.destroyed && !to.write(chunk.subarray(0, left))) {
        from.pause();
        to.once("drain", () => from.resume());
      }
      left -= chunk.length;
      if (left <= 0) onEnd();
    });
  };
  pass(stream, inner);
  pass(inner, stream);
  return ours;
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
