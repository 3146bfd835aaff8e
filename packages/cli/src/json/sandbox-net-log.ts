// kelpie sandbox net-log --json, and the file of kelpie run --net-log

import { z } from "zod";
import type { JsonOf } from "./json-of.ts";
import { count } from "./parts.ts";

export const isLines = true;

export const schema = z.object({
  time: z.iso.datetime(),
  event: z.enum(["name-denied", "denied", "failed", "connected", "published", "turned-away", "closed"]),
  id: count.optional().describe("of a connection"),
  host: z.string().optional().describe("the name that the guest used, or the address where it used none"),
  port: count.optional(),
  transport: z.literal("udp").optional().describe("where it was not TCP"),
  protocol: count.optional().describe("of `denied`: IP's number for what is neither TCP nor UDP"),
  address: z.string().optional().describe("that the host connected to"),
  reason: z.string().optional().describe("of `denied`, `failed` and `turned-away`"),
  sentBytes: count.optional().describe("of `closed`: from the guest"),
  receivedBytes: count.optional().describe("of `closed`: to the guest"),
  failure: z.string().optional().describe("of `closed`, where it was not in order"),
});

export type SandboxNetLogJson = JsonOf<typeof schema>;
