// One thing that every monitor does, or that every monitor which can so much does.

import type { AgentClient } from "../../agent/agent-client.ts";
import type { VmmCapabilities } from "../../vmm/capabilities.ts";
import type { VirtualMachine, VmSpec } from "../../vmm/vmm.ts";
import type { VmmSubject } from "./subject.ts";

/** A running machine that tests share, one after the other. */
export interface Running {
  readonly machine: VirtualMachine;
  readonly agent: AgentClient;
  readonly spec: VmSpec;
}

/** A test of a monitor. */
export interface Behaviour<C> {
  /** A sentence. */
  readonly name: string;
  /** Why it says nothing of this subject; undefined where it does. */
  readonly notFor?: (capabilities: VmmCapabilities, guest: VmmSubject["guest"]) => string | undefined;
  readonly check: (context: C, subject: VmmSubject) => Promise<void>;
}

/** `notFor` of what needs a whole guest. */
export function needsLinux(guest: VmmSubject["guest"]): string | undefined {
  return guest === "linux" ? undefined : "the guest is played";
}

/** `notFor` of what a monitor need not be able to. */
export function needs(
  capability: "keeps" | "pauses" | "restores",
): (capabilities: VmmCapabilities) => string | undefined {
  return (capabilities) => (capabilities[capability] ? undefined : `it has no ${capability}`);
}
