// A client that Kelpie did not write drives the agent: buf curl, which learns the API from the agent's own reflection.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { realPlatform, type TemporaryDirectory } from "@kelpie/platform";
import { greetAgent } from "../../agent/handshake.ts";
import { startAgentProcess } from "./agent-process.ts";

const program = process.env["KELPIE_AGENT"];
const buf = join(import.meta.dirname, "../../../../../tools/buf.sh");
const run = promisify(execFile);

/** A socket that a client without our handshake can speak to. */
function greeter(path: string, agent: string): Server {
  const serve = async (client: Socket): Promise<void> => {
    const signal = AbortSignal.timeout(10_000);
    const upstream = await realPlatform.network.connectUnix(agent, signal);
    await greetAgent(upstream, { ...realPlatform, repeatAfterMs: 1000, signal });
    upstream.on("error", () => client.destroy());
    client.on("error", () => upstream.destroy());
    client.pipe(upstream).pipe(client);
  };
  return createServer((client) => void serve(client).catch(() => client.destroy())).listen(path);
}

const skip = program === undefined ? "KELPIE_AGENT names no agent; `npm test -- guest` does" : false;

describe("an independent client", { skip, timeout: 60_000 }, () => {
  let directory: TemporaryDirectory;
  let agent: Awaited<ReturnType<typeof startAgentProcess>>;
  let server: Server;
  before(async () => {
    directory = await realPlatform.files.temporaryDirectory("kelpie-curl-");
    agent = await startAgentProcess(program ?? "", directory.path);
    server = greeter(join(directory.path, "plain"), agent.socket);
    await once(server, "listening");
  });
  after(async () => {
    server.close();
    await agent[Symbol.asyncDispose]();
    await directory[Symbol.asyncDispose]();
  });

  const curl = async (method: string, data: unknown): Promise<Record<string, unknown>[]> => {
    const url = `http://agent/kelpie.agent.v1.${method}`;
    const options = [
      "--protocol",
      "grpc",
      "--http2-prior-knowledge",
      "--unix-socket",
      join(directory.path, "plain"),
    ];
    const { stdout } = await run(buf, ["curl", ...options, "--data", JSON.stringify(data), url]);
    // One JSON value a message, over several lines each.
    return JSON.parse(`[${stdout.trim().replaceAll(/^\}\n\{/gm, "},\n{")}]`) as Record<string, unknown>[];
  };

  test("asks a question by reflection", async () => {
    const payload = Buffer.from("hello").toString("base64");
    const [answer] = await curl("AgentService/Ping", { payload });
    assert.equal(answer?.["payload"], payload);
  });

  test("runs a process and reads its output and its end", async () => {
    const start = { start: { id: "curl", spec: { argv: ["sh", "-c", "echo from curl; exit 3"] } } };
    const events = await curl("ProcessService/Exec", start);
    const text = JSON.stringify(events);
    assert.ok(text.includes(Buffer.from("from curl\n").toString("base64")), text);
    assert.match(text, /"exited":\{"code":3,"cause":"EXIT_CAUSE_OWN"/);
  });

  test("is refused as the API says", async () => {
    const refused = curl("FileService/StatFile", { path: { path: "/absent" } });
    await assert.rejects(refused, /"code": ?"not_found"/);
  });
});
