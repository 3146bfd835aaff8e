// What a process may use, what is known of it, and what is kept of its output while nobody reads it.

import assert from "node:assert/strict";
import { ExitCause, type ProcessSpec, Resource } from "../../agent/gen/kelpie/agent/v1/process_pb.ts";
import { type ProcessEnd, processEnd } from "../../agent/process.ts";
import type { Behaviour } from "./behaviour.ts";
import type { Session } from "./subject.ts";

const shell = (script: string): string[] => ["/bin/sh", "-c", script];
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
const own = (code: number): ProcessEnd => ({ kind: "exited", code, cause: "own" });

/** Starts a process as the API has it; its name. */
async function start(
  session: Session,
  spec: Parameters<Session["client"]["processes"]["startProcess"]>[0]["spec"],
): Promise<string> {
  const { result } = await session.client.processes.startProcess({ spec: spec ?? {} });
  assert.equal(result.case, "process");
  return result.value.id;
}

/** How a process ended, as the agent tells whoever waits for it. */
async function wait(session: Session, id: string) {
  const { exit } = await session.client.processes.waitProcess({ id });
  assert.ok(exit !== undefined);
  return exit;
}

type Limited = Partial<Pick<ProcessSpec, "timeoutMs" | "killGraceMs">>;

/** Runs a process within limits of its cgroup. */
async function runLimited(
  session: Session,
  script: string,
  limits: { memoryMaxBytes?: bigint; pidsMax?: number; cpuMilli?: number },
  rest: Limited = {},
) {
  const id = await start(session, { argv: shell(script), limits, ...rest });
  const exit = await wait(session, id);
  const { stdout, stderr } = await session.client.attach(id).collect();
  return { exit, stdout: text(stdout), stderr: text(stderr) };
}

/** What processes must do. */
export const processBehaviours: readonly Behaviour[] = [
  {
    name: "processes are listed while they run and after, with what is known of them",
    async check(subject) {
      await using session = await subject.session();
      const { processes } = session.client;
      const running = await start(session, { argv: ["sleep", "1000"] });
      const ended = await start(session, { argv: shell("printf 12345; printf 678 >&2; exit 4") });
      await wait(session, ended);
      await session.client.attach(ended).collect();
      const find = async (runningOnly: boolean, id: string) =>
        (await processes.listProcesses({ runningOnly })).processes.find((process) => process.id === id);
      const one = await find(true, running);
      assert.deepEqual([one?.argv, one?.exit, one?.terminal], [["sleep", "1000"], undefined, false]);
      assert.ok(one !== undefined && one.pid > 1 && one.startedUnixNs > 0n);
      assert.equal(await find(true, ended), undefined);
      const other = await find(false, ended);
      assert.deepEqual([other?.stdoutBytes, other?.stderrBytes, other?.stdinOpen], [5n, 3n, false]);
      assert.deepEqual(other?.exit?.status, { case: "code", value: 4 });
      assert.ok(await session.client.attach(running).kill(9));
      assert.deepEqual(processEnd(await wait(session, running)), {
        kind: "signalled",
        signal: 9,
        cause: "signalled",
      });
    },
  },
  {
    name: "what a process used is told with its end",
    async check(subject) {
      await using session = await subject.session();
      const busy = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; sleep 0.2";
      const exit = await wait(session, await start(session, { argv: shell(busy) }));
      const { usage, durationNs } = exit;
      assert.ok(usage !== undefined);
      const cpuNs = usage.userCpuNs + usage.systemCpuNs;
      assert.ok(cpuNs > 1_000_000n && cpuNs < durationNs, `${cpuNs} of ${durationNs} ns`);
      assert.ok(durationNs >= 200_000_000n, `${durationNs} ns`);
      assert.ok(usage.maxResidentBytes > 100_000n && usage.maxResidentBytes < 100_000_000n);
    },
  },
  {
    name: "a process starts with the limits of setrlimit, and those that cannot be are refused",
    async check(subject) {
      await using session = await subject.session();
      const rlimits = [
        { resource: Resource.OPEN_FILES, soft: 33n, hard: 44n },
        { resource: Resource.FILE_SIZE, soft: 1024n, hard: 2n ** 64n - 1n },
      ];
      const name = `/tmp/limited-${process.pid}-${Math.trunc(performance.now())}`;
      const script = `ulimit -S -n; ulimit -H -n; ulimit -H -f; exec head -c 5000 /dev/zero > ${name}`;
      const id = await start(session, { argv: shell(script), rlimits });
      const { stdout, end } = await session.client.attach(id).collect();
      assert.equal(text(stdout), "33\n44\nunlimited\n");
      const fileTooLarge = 25;
      assert.deepEqual(end, { kind: "signalled", signal: fileTooLarge, cause: "own" });
      assert.equal((await session.client.files.stat(name))?.sizeBytes, 1024);
      await session.client.files.remove(name);
      const wrong = [{ resource: Resource.OPEN_FILES, soft: 2n, hard: 1n }];
      const refused = session.client.processes.startProcess({ spec: { argv: ["true"], rlimits: wrong } });
      await assert.rejects(refused, /soft limit/);
    },
  },
  {
    name: "output that nobody reads makes room for more of it, and how much is lost is told",
    async check(subject) {
      await using session = await subject.session();
      const sizeBytes = 3_000_000;
      const script = `head -c ${sizeBytes} /dev/zero; printf end`;
      const started = await session.client.start({ argv: ["/bin/sh", "-c", script] });
      assert.ok("id" in started);
      await wait(session, started.id);
      const pieces = await Array.fromAsync(session.client.attach(started.id));
      const [first] = pieces;
      assert.ok(first?.kind === "lost" && first.stream === "stdout", first?.kind);
      const kept = pieces.flatMap((piece) => (piece.kind === "stdout" ? [piece.bytes] : []));
      assert.equal(pieces.length, kept.length + 1);
      const bytes = Buffer.concat(kept);
      assert.equal(first.sizeBytes + bytes.length, sizeBytes + 3);
      assert.ok(bytes.length <= 768 << 10 && bytes.length >= 128 << 10, `${bytes.length} are kept`);
      assert.equal(text(bytes.subarray(-4)), "\0end");
    },
  },
  {
    name: "a process that wants too much memory goes as a whole, and says why",
    needs: "cgroup",
    async check(subject) {
      await using session = await subject.session();
      const script =
        "setsid sleep 1000 & echo $!; head -c 100000000 /dev/zero | tail -c 90000000 > /dev/null; echo on";
      const { exit, stdout } = await runLimited(session, script, { memoryMaxBytes: 16n << 20n });
      assert.deepEqual(processEnd(exit), { kind: "signalled", signal: 9, cause: "out-of-memory" });
      assert.equal(exit.cause, ExitCause.OUT_OF_MEMORY);
      assert.match(stdout, /^\d+\n$/);
      // Where there is no such process, or one that is dead and not buried yet.
      const gone = `! grep -q '^State:.[^ZX]' /proc/${stdout.trim()}/status 2>/dev/null`;
      const look = await session.client.exec({ argv: ["/bin/sh", "-c", `sleep 0.2; ${gone}`] }).collect();
      assert.deepEqual(look.end, own(0), "a descendant of its own session is left");
      const peak = exit.usage?.peakMemoryBytes ?? 0n;
      assert.ok(peak === 0n || (peak > 8n << 20n && peak <= 16n << 20n), `${peak} bytes at most`);
    },
  },
  {
    name: "a process has no more processes than it may",
    needs: "cgroup",
    async check(subject) {
      await using session = await subject.session();
      const script = "for i in 1 2 3 4 5 6 7 8; do sleep 2 & done; echo all";
      const { exit, stdout, stderr } = await runLimited(session, script, { pidsMax: 4 });
      assert.deepEqual([stdout, processEnd(exit).kind], ["", "exited"]);
      assert.match(stderr, /fork/);
    },
  },
  {
    name: "a process has no more of a processor than it may",
    needs: "cgroup",
    async check(subject) {
      await using session = await subject.session();
      const time = { timeoutMs: 1500n, killGraceMs: 0 };
      const { exit } = await runLimited(session, "while :; do :; done", { cpuMilli: 200 }, time);
      assert.equal(exit.cause, ExitCause.TIMED_OUT);
      const { userCpuNs = 0n, systemCpuNs = 0n } = exit.usage ?? {};
      const share = Number(userCpuNs + systemCpuNs) / Number(exit.durationNs);
      assert.ok(share > 0.02 && share < 0.3, `${share} of one processor`);
    },
  },
  {
    name: "a kill reaches what has left the process's group",
    needs: "cgroup",
    async check(subject) {
      await using session = await subject.session();
      const script = "setsid sleep 1000 & echo $!; wait";
      const execution = session.client.exec({ argv: ["/bin/sh", "-c", script] });
      let child = "";
      for await (const piece of execution) {
        if (piece.kind === "stdout") child += text(piece.bytes);
        if (child.endsWith("\n")) await execution.kill(9);
      }
      const gone = `! grep -q '^State:.[^ZX]' /proc/${child.trim()}/status 2>/dev/null`;
      const { end } = await session.client.exec({ argv: ["/bin/sh", "-c", `sleep 0.2; ${gone}`] }).collect();
      assert.deepEqual(end, own(0));
    },
  },
];
