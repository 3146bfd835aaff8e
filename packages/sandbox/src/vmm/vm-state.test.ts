// The machine's life: every state met with every event.

import assert from "node:assert/strict";
import { test } from "node:test";
import { nextVmState, type StopReason, type VmEvent, type VmState } from "./vm-state.ts";

const shutdown: StopReason = { kind: "guest-shutdown" };
const panic: StopReason = { kind: "guest-panicked" };
const killed = { kind: "signalled", signal: "SIGKILL" } as const;
const exited: StopReason = { kind: "process-exited", exit: killed };

const starting: VmState = { kind: "starting" };
const running: VmState = { kind: "running" };
const stopping: VmState = { kind: "stopping", reason: shutdown };
const stopped: VmState = { kind: "stopped", reason: shutdown };

const ready: VmEvent = { kind: "monitor-ready" };
const ending: VmEvent = { kind: "ending", reason: panic };
const gone: VmEvent = { kind: "process-gone", exit: killed };

const table: readonly (readonly [before: VmState, event: VmEvent, after: VmState])[] = [
  [starting, ready, running],
  [starting, ending, { kind: "stopping", reason: panic }],
  [starting, gone, { kind: "stopped", reason: exited }],
  [running, ready, running],
  [running, ending, { kind: "stopping", reason: panic }],
  [running, gone, { kind: "stopped", reason: exited }],
  [stopping, ready, stopping],
  [stopping, ending, stopping],
  [stopping, gone, stopped],
  [stopped, ready, stopped],
  [stopped, ending, stopped],
  [stopped, gone, stopped],
];

for (const [before, event, after] of table) {
  test(`a machine that is ${before.kind} and meets ${event.kind} is ${after.kind}`, () => {
    assert.deepEqual(nextVmState(before, event), after);
  });
}
