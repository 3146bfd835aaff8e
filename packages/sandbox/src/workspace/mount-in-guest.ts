// Mounting a device in the guest that was plugged in a moment ago.

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import type { Clock } from "@kelpie/platform";
import type { AgentClient } from "../agent/agent-client.ts";
import { MountRequestSchema } from "../agent/gen/kelpie/agent/v1/system_pb.ts";
import { guestError } from "../agent/guest-error.ts";

/** How long the agent waits for a device. */
export const appearsWithinMs = 15_000;
const lookAgainAfterMs = 10;
/** What the kernel says while the device, or the driver that it loads for it, is not there. */
const notYet: readonly string[] = ["ENODEV", "ENXIO", "ENOENT", "EINVAL"];

/** What is mounted where. */
export type GuestMount = MessageInitShape<typeof MountRequestSchema>;

/** Mounts it as soon as the guest has it. `guest-refused` with the guest's words if it never has. */
export async function mountInGuest(
  clock: Clock,
  agent: AgentClient,
  mount: GuestMount,
  signal: AbortSignal,
): Promise<void> {
  const request = create(MountRequestSchema, { ...mount, waitMs: appearsWithinMs });
  await onceThere(clock, `mount ${request.target}`, signal, (stop) =>
    agent.system.mount(request, { signal: stop }),
  );
}

/** Does what needs a device that was just plugged in. The agents of images before 2026-11 do not wait for it: they are asked again. */
export async function onceThere(
  clock: Clock,
  what: string,
  signal: AbortSignal,
  attempt: (signal: AbortSignal) => Promise<unknown>,
): Promise<void> {
  const start = clock.monotonicMs();
  using deadline = clock.deadline(2 * appearsWithinMs, `Waiting for the guest to ${what}`);
  const stop = AbortSignal.any([signal, deadline.signal]);
  for (;;) {
    try {
      await attempt(stop);
      return;
    } catch (error) {
      const errno = ConnectError.from(error).metadata.get("kelpie-errno") ?? "";
      const isOver = clock.monotonicMs() - start > appearsWithinMs;
      if (isOver || !notYet.includes(errno)) throw guestError(what, error, stop);
    }
    await clock.sleep(lookAgainAfterMs, stop);
  }
}
