// A sandbox that lives on, under --json.

import { z } from "zod";
import type { JsonOf } from "./json-of.ts";
import { architecture, count } from "./parts.ts";

/** What its record says. */
const recorded = z.object({
  name: z.string(),
  image: z.object({
    name: z.string(),
    version: z.string().describe("empty for files that are in no store, as is the directory"),
    architecture,
    directory: z.string(),
  }),
  memoryMiB: count,
  cpus: count,
  env: z.record(z.string(), z.string()).describe("variables of every command"),
  created: z.iso.datetime(),
  removeAtEnd: z.boolean(),
  monitor: z.string().describe("what runs it, in words"),
  vmm: z.string().describe("what runs it, as --vmm takes it"),
});

export const sandbox = z.object({
  id: z.string(),
  state: z.object({
    kind: z.enum(["creating", "running", "paused", "stopped", "failed", "lost"]),
    reason: z.string().optional().describe("of a state that has one"),
  }),
  directory: z.string(),
  ...recorded.partial().shape,
  diskBytes: count.optional().describe("of the root disk; absent where it is the image's own"),
  pidsLimit: count.optional().describe("of each command with all that it starts"),
  ends: z.iso.datetime().optional().describe("with --ttl"),
  idleTimeoutMs: count.optional(),
  keeperPid: count.optional().describe("of the keeper's process, once it is ready"),
  monitorPid: count.optional(),
});

export type SandboxJson = JsonOf<typeof sandbox>;
