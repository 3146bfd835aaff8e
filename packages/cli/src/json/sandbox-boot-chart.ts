// kelpie sandbox boot-chart --json

import { z } from "zod";
import type { JsonOf } from "./json-of.ts";

const ms = z.number().nonnegative().describe("since the start of the virtual machine monitor");

export const schema = z.object({
  bars: z.array(z.object({ name: z.string(), startMs: ms, endMs: ms })).describe("without gaps"),
});

export type SandboxBootChartJson = JsonOf<typeof schema>;
