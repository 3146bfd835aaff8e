// What the suite of share behaviours is told in, and what each of them is given.

import type { Transport } from "../share.ts";

/** A program in the guest that tries things and says what it saw: "ok", an errno's name, or what was different. */
export interface Guest {
  ask(probe: string, ...args: readonly unknown[]): Promise<string>;
}

/** One behaviour's own directory, seen from all sides. */
export interface World {
  readonly transport: Transport;
  readonly guest: Guest;
  /** Another process of the guest. */
  readonly other: Guest;
  /** The behaviour's directory on the host. It is there where host and guest share while the guest runs. */
  readonly path: string;
  /** A directory of the host beside the shared one: nothing of it may ever be seen or changed by the guest. */
  readonly outside: string;
}

/** What a transport does otherwise than a local file system, and why. */
export interface Difference {
  readonly sees: string;
  readonly because: string;
}

export interface Behaviour {
  /** A sentence. */
  readonly name: string;
  /** What happens while the guest runs. Everything is as on a local file system where it is "ok". */
  readonly observe: (world: World) => Promise<string>;
  /** What the host has in the end, "ok" where it is what the guest had. */
  readonly atHome?: (world: World) => Promise<string>;
  /** Where {@link observe} sees anything but "ok". */
  readonly differs?: Partial<Record<Transport, Difference>>;
  /** Where it does and whoever runs it on the host is not root; {@link differs} goes for the others. */
  readonly forUsers?: Partial<Record<Transport, Difference>>;
  /** Where {@link atHome} does. */
  readonly differsAtHome?: Partial<Record<Transport, Difference>>;
  /** Of transports that share while the guest runs. */
  readonly isLive?: true;
}

/** A behaviour that one probe of the guest's shows. */
export function probe(
  name: string,
  what: string | readonly [string, ...unknown[]],
  rest: Omit<Behaviour, "name" | "observe"> = {},
): Behaviour {
  const [program, ...args] = typeof what === "string" ? [what] : what;
  return { name, observe: ({ guest }) => guest.ask(program, ...args), ...rest };
}

/** The first step that is not "ok", or "ok". */
export async function inOrder(...steps: readonly (() => Promise<string>)[]): Promise<string> {
  for (const step of steps) {
    const seen = await step();
    if (seen !== "ok") return seen;
  }
  return "ok";
}
