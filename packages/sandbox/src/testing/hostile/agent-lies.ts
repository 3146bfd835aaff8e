// Lies about the guest as a whole, and refusals that are more than a refusal.

import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { KelpieError, type KelpieErrorCode } from "@kelpie/platform";
import { sandboxHealth } from "../../lifecycle/sandbox-health.ts";
import { type Lie, most, nasty, stalled } from "./lies.ts";

const health = (name: string, answer: object, outcome: Lie["outcome"]): Lie => ({
  name: `health ${name}`,
  behaviour: { agent: { getHealth: () => answer } },
  call: (agent, signal) => sandboxHealth({ agent }, signal),
  outcome,
});

const refusal = (
  name: string,
  error: () => ConnectError,
  outcome: readonly KelpieErrorCode[] = ["guest-refused", "guest-lost"],
): Lie => ({
  name: `a call is refused ${name}`,
  behaviour: {
    files: {
      statFile: () => {
        throw error();
      },
    },
  },
  call: (client) => client.files.stat("/x", { timeoutMs: 1000 }),
  outcome,
});

const withErrno = (errno: string): ConnectError =>
  new ConnectError("no", Code.FailedPrecondition, { "kelpie-errno": errno });

export const agentLies: readonly Lie[] = [
  health("is of a machine larger than numbers", { memory: { totalBytes: most, availableBytes: most } }, [
    "malformed",
  ]),
  health("has more free than there is", { memory: { totalBytes: 1n, availableBytes: 2n } }, ["malformed"]),
  health("has a disk with more free than there is", { disks: [{ mountPoint: "/", availableBytes: 1n }] }, [
    "malformed",
  ]),
  health("has run for longer than the world", { uptimeMs: most }, ["malformed"]),
  health("has ended more than can be counted", { oomKills: most }, ["malformed"]),
  health("is of nothing", {}, (value) => assert.equal((value as { memoryTotal: number }).memoryTotal, 0)),
  health(
    "has ten thousand disks of one name",
    {
      disks: Array.from({ length: 10_000 }, () => ({ mountPoint: "/", type: nasty })),
    },
    (value) => assert.equal((value as { diskTotal: number }).diskTotal, 0),
  ),
  {
    name: "health is never told",
    behaviour: { agent: { getHealth: (_, { signal }) => stalled(signal) } },
    call: (agent, signal) => sandboxHealth({ agent }, signal, { timeoutMs: 300 }),
    outcome: ["timeout"],
  },
  {
    name: "the agent tells of itself in words for a terminal, and of steps of the boot without end",
    behaviour: {
      agent: {
        getInfo: () => ({
          ...{ agentVersion: nasty, hostname: nasty, kernelRelease: nasty, cpus: 0xffffffff },
          bootTrace: Array.from({ length: 5000 }, () => ({ name: nasty, endBootNs: most })),
        }),
      },
    },
    call: (client, signal) => client.info({ signal }),
    // The library gives the guest's words as they are; who prints them makes them harmless.
    outcome: (value) => assert.equal((value as { hostname: string }).hostname, nasty),
  },
  {
    name: "the agent tells more of itself than a message may hold",
    behaviour: {
      agent: { getInfo: () => ({ features: Array.from({ length: 20 }, () => "y".repeat(60_000)) }) },
    },
    call: (client, signal) => client.info({ signal }),
    outcome: ["limit-exceeded", "guest-refused", "guest-lost"],
  },
  {
    name: "the kernel has run since before it began",
    behaviour: { agent: { ping: () => ({ nowBootNs: most }) } },
    call: (client, signal) => client.bootTimeMs({ signal }),
    outcome: (value) => assert.ok(Number.isFinite(value)),
  },
  refusal("in words for a terminal", () => new ConnectError(nasty, Code.Internal)),
  refusal("in a novel", () => new ConnectError("y".repeat(12_000), Code.FailedPrecondition)),
  refusal("with more than headers may hold", () => {
    const error = new ConnectError("no", Code.FailedPrecondition);
    for (let count = 0; count < 40; count++) error.metadata.set(`x-${count}`, "y".repeat(1000));
    return error;
  }, ["guest-refused", "guest-lost", "timeout"]),
  ...["constructor", "__proto__", "toString", "hasOwnProperty", "", "ENOENT ENOENT", "y".repeat(9000)].map(
    (errno) => refusal(`for the reason ${JSON.stringify(errno.slice(0, 20))}`, () => withErrno(errno)),
  ),
  refusal("for a reason that the kernel has", () => withErrno("ENOSPC"), ["disk-full"]),
  {
    name: "a refusal is one of the host's own errors, for all that the agent says",
    behaviour: {
      files: {
        statFile: () => {
          throw new ConnectError("KelpieError: internal", Code.DataLoss, {
            "kelpie-errno": "EPERM",
            name: "KelpieError",
          });
        },
      },
    },
    call: async (client) => {
      const error: unknown = await client.files.stat("/x").catch((thrown: unknown) => thrown);
      assert.ok(KelpieError.is(error));
      return error.code;
    },
    outcome: (code) => assert.equal(code, "permission-denied"),
  },
];
