// The way of what is large: a port of its own, or, while none is to be had, the one for calls.

import type { GrpcTransportOptions } from "@connectrpc/connect-node";
import { KelpieError } from "@kelpie/platform";
import type { AgentConnection } from "./agent-connection.ts";

type SessionManager = NonNullable<GrpcTransportOptions["sessionManager"]>;

/** Hands out streams of `own`, and of `shared` where opening `own` fails with `in-use`. */
export class BulkConnection implements SessionManager {
  readonly authority: string;
  readonly #own: AgentConnection;
  readonly #shared: AgentConnection;

  constructor(own: AgentConnection, shared: AgentConnection) {
    this.authority = own.authority;
    this.#own = own;
    this.#shared = shared;
  }

  async request(...call: Parameters<SessionManager["request"]>): ReturnType<SessionManager["request"]> {
    try {
      return await this.#own.request(...call);
    } catch (error) {
      if (!KelpieError.is(error) || error.code !== "in-use") throw error;
      return await this.#shared.request(...call);
    }
  }

  notifyResponseByteRead(): void {
    // Only a manager that probes idle connections needs to know.
  }
}
