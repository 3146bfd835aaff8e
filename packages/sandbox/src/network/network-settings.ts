// What the process that serves a network is told, as a file.

import { z } from "zod";
import { formatRule, parseRule } from "./rules.ts";
import type { ServeNetworkOptions } from "./serve-network.ts";

const port = z.int().min(1).max(65_535);

const schema = z.strictObject({
  socket: z.string(),
  log: z.string(),
  /** As a person writes them. */
  rules: z.array(z.string()),
  published: z.array(z.strictObject({ hostAddress: z.string(), hostPort: port, guestPort: port })),
});

export type NetworkSettings = Omit<ServeNetworkOptions, "signal">;

/** The settings in parsed JSON; undefined where it is something else. @throws KelpieError `usage` for a rule that is none */
export function readNetworkSettings(value: unknown): NetworkSettings | undefined {
  const settings = schema.safeParse(value).data;
  return settings === undefined ? undefined : { ...settings, rules: settings.rules.map(parseRule) };
}

/** What {@link readNetworkSettings} reads. */
export function formatNetworkSettings({ rules, ...settings }: NetworkSettings): string {
  return JSON.stringify({ ...settings, rules: rules.map(formatRule) });
}
