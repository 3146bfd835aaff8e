// One thing that an agent must do.

import type { Subject } from "./subject.ts";

/** A behaviour: its name is a sentence. */
export interface Behaviour {
  readonly name: string;
  /** A feature (`GetInfoResponse.features`) that an agent need not have where it is no machine's. */
  readonly needs?: string;
  readonly check: (subject: Subject) => Promise<void>;
}
