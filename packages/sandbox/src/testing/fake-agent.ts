// An agent played in this process for tests: the real protocol, and behaviour as a test wants it.

import http2 from "node:http2";
import type { Duplex } from "node:stream";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { createConnectRouter, type ServiceImpl } from "@connectrpc/connect";
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import { realPlatform } from "@kelpie/platform";
import { AgentClient } from "../agent/agent-client.ts";
import { AgentService } from "../agent/gen/kelpie/agent/v1/agent_pb.ts";
import { FileService } from "../agent/gen/kelpie/agent/v1/file_pb.ts";
import {
  OutputStream,
  type ProcessEventSchema,
  ProcessService,
} from "../agent/gen/kelpie/agent/v1/process_pb.ts";
import { SystemService } from "../agent/gen/kelpie/agent/v1/system_pb.ts";
import { duplexPair } from "./duplex-pair.ts";

type RequestListener = (request: http2.Http2ServerRequest, response: http2.Http2ServerResponse) => void;

/** What a played agent does; what is left out is UNIMPLEMENTED. */
export interface FakeAgentBehaviour {
  readonly agent?: Partial<ServiceImpl<typeof AgentService>>;
  readonly files?: Partial<ServiceImpl<typeof FileService>>;
  readonly processes?: Partial<ServiceImpl<typeof ProcessService>>;
  readonly system?: Partial<ServiceImpl<typeof SystemService>>;
  /** The instance that it says it is when a session starts; an agent of before it could tell says nothing. */
  readonly instance?: () => string | undefined;
  /** What becomes of every call, whatever it is, once it has arrived; by its path. */
  readonly fate?: (path: string) => CallFate;
}

/** An answer; none; the loss of the session; or a refusal. */
export type CallFate = "answer" | "silence" | "cut" | "refusal";

/** A played agent and a client of it. */
export interface FakeAgent extends AsyncDisposable {
  readonly client: AgentClient;
  /** Opens the host's end of a new session. */
  readonly open: () => Promise<Duplex>;
  /** The agent's end of each session, oldest first. */
  readonly sessions: readonly Duplex[];
}

type Processes = Partial<ServiceImpl<typeof ProcessService>>;
interface Told {
  readonly event?: MessageInitShape<typeof ProcessEventSchema> | undefined;
}

/** Says where each piece of output belongs, for behaviours that do not say so themselves. */
function withOffsets({ exec, attach, ...rest }: Processes): Processes {
  return {
    ...rest,
    ...(exec === undefined ? {} : { exec: (...call) => counted(exec(...call), [0, 0]) }),
    ...(attach === undefined
      ? {}
      : {
          attach: (request, context) =>
            counted(attach(request, context), [Number(request.stdoutOffset), Number(request.stderrOffset)]),
        }),
  };
}

async function* counted<T extends Told>(
  events: AsyncIterable<T>,
  totals: [number, number],
): AsyncGenerator<T, undefined> {
  for await (const told of events) {
    const event = told.event?.event;
    if (event?.case === "output") {
      const index = event.value.stream === OutputStream.STDERR ? 1 : 0;
      event.value.offset ??= BigInt(totals[index]);
      totals[index] += event.value.data?.length ?? 0;
    }
    yield told;
  }
}

const refusal = { "content-type": "application/grpc", "grpc-status": "7", "grpc-message": "no" };

/** What a played agent calls itself, where a test does not care. */
const playedInstance = "a".repeat(32);

/** Starts an agent that can be connected to any number of times. */
export function playAgent({
  agent,
  files,
  processes,
  system,
  fate = () => "answer",
  instance = () => playedInstance,
}: FakeAgentBehaviour): FakeAgent {
  const router = createConnectRouter({ connect: false, grpcWeb: false });
  router.service(AgentService, { ping: ({ payload }) => ({ payload }), ...agent });
  router.service(FileService, files ?? {});
  router.service(ProcessService, withOffsets(processes ?? {}));
  router.service(SystemService, system ?? {});
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  // Connect's own adapter prints a line for every call whose session is lost, which is what many tests do.
  const answer: RequestListener = (request, response) => {
    switch (fate(request.url)) {
      case "answer":
        break;
      case "silence":
        return;
      case "cut":
        for (const session of sessions) session.destroy();
        return;
      case "refusal":
        response.writeHead(200, refusal).end();
        return;
    }
    const handle = handlers.get(request.url);
    if (handle === undefined) {
      response.writeHead(404).end();
      return;
    }
    handle(universalRequestFromNodeRequest(request, response, undefined, undefined))
      .then((result) => universalResponseToNodeResponse(result, response))
      .catch(() => undefined);
  };
  const server = http2.createServer(answer);
  const sessions: Duplex[] = [];
  const open = (): Promise<Duplex> => {
    const [host, guest] = duplexPair();
    guest.on("error", () => undefined);
    guest.once("data", (hello: Buffer) => {
      const nonce = /^KELPIE-HELLO 1 (\w+)\n$/.exec(hello.toString())?.[1] ?? "";
      guest.pause();
      const instanceId = instance();
      if (instanceId !== undefined) guest.write(`KELPIE-INSTANCE ${instanceId}\n`);
      guest.write(`KELPIE-READY 1 ${nonce}\n`);
      server.emit("connection", guest);
    });
    sessions.push(guest);
    return Promise.resolve(host);
  };
  const client = new AgentClient({ ...realPlatform, open });
  return {
    client,
    open,
    sessions,
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]();
      for (const session of sessions) session.destroy();
    },
  };
}
