// Reaching a started guest: its agent, and what makes a restored one a machine of its own.
//
// This and what it imports is the larger part of what a start needs of our code. It is loaded while the monitor starts.

import type { Platform } from "@kelpie/platform";
import { AgentClient } from "../agent/agent-client.ts";
import type { AgentPorts } from "../lifecycle/agent-ports.ts";
import type { VirtualMachine } from "../vmm/vmm.ts";

const entropyBytes = 64;

/** The first use of Node.js's fetch loads it all, for ten milliseconds: every call to the agent has such headers. */
new Headers().delete("x");

/** A client of the machine's agent over these ports. */
export function agentOver(platform: Platform, machine: VirtualMachine, ports: AgentPorts): AgentClient {
  return new AgentClient({
    ...platform,
    open: (signal) => machine.connectAgent(ports.calls, signal),
    openBulk: async (signal) => machine.connectAgent(await ports.bulk(signal), signal),
  });
}

/**
 * Gives a restored guest what no other machine has, and lets its processes go on: until this call it runs nothing for us
 * (`PrepareSnapshot` in proto/kelpie/agent/v1/system.proto).
 */
export async function makeUnique(
  { clock, random }: Platform,
  agent: AgentClient,
  hostname: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<void> {
  const entropy = random.bytes(entropyBytes);
  const machineId = uuidDigits(random.bytes(16));
  const unixNs = BigInt(Math.round(clock.nowMs() * 1000)) * 1000n;
  await agent.resume({ entropy, unixNs, hostname, machineId }, { signal, timeoutMs });
}

/** A UUID of version 4, as machine-id(5) asks for, as 32 digits. */
function uuidDigits(bytes: Uint8Array): string {
  const uuid = Buffer.from(bytes);
  uuid.writeUInt8((uuid.readUInt8(6) & 0x0f) | 0x40, 6);
  uuid.writeUInt8((uuid.readUInt8(8) & 0x3f) | 0x80, 8);
  return uuid.toString("hex");
}
