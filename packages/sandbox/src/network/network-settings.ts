// What the process that serves a network is told, as a file.

import { z } from "zod";
import type { ServeNetworkOptions } from "./serve-network.ts";

const port = z.int().min(1).max(65_535);
const ports = z.array(port).max(64);

const schema = z.strictObject({
  socket: z.string(),
  log: z.string(),
  rules: z.array(
    z.discriminatedUnion("kind", [
      z.strictObject({ kind: z.literal("name"), name: z.string(), wildcard: z.boolean(), ports }),
      z.strictObject({
        kind: z.literal("addresses"),
        range: z.strictObject({ network: z.number(), bits: z.int().min(0).max(32) }),
        ports,
      }),
    ]),
  ),
  published: z.array(z.strictObject({ hostAddress: z.string(), hostPort: port, guestPort: port })),
});

export type NetworkSettings = Omit<ServeNetworkOptions, "signal">;

/** The settings in parsed JSON; undefined where it is something else. */
export function readNetworkSettings(value: unknown): NetworkSettings | undefined {
  return schema.safeParse(value).data;
}
