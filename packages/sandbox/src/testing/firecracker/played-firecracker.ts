// A Firecracker that is played: a program with its command line, its API with every rule of `api-facts.ts`, its console on
// standard output and its vsock socket. Where the guest would be is the agent as a process, or one that is played here.
//
// node played-firecracker.ts AGENT-PROGRAM|played FIRECRACKER'S-ARGUMENTS…

import {
  appendFileSync,
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer as createHttp, type IncomingMessage, type ServerResponse } from "node:http";
import { connect, createServer, type Socket } from "node:net";
import { spawn, type ChildProcess } from "node:child_process";
import { parseArgs } from "node:util";
import type { Duplex } from "node:stream";
import { identifyKernel } from "@kelpie/formats";
import { realPlatform } from "@kelpie/platform";
import { untilStopped } from "../../until-stopped.ts";
import { playAgent } from "../fake-agent.ts";
import { factFor, wrongWith } from "./api-facts.ts";

const [agentProgram = "played", ...args] = process.argv.slice(2);
if (args.includes("--version")) {
  process.stdout.write("Firecracker v1.17.0\n\nSupported snapshot data format versions: 9.0.0\n");
  process.exit(0);
}
const { values } = parseArgs({
  args,
  options: {
    "api-sock": { type: "string" },
    id: { type: "string" },
    level: { type: "string" },
    "log-path": { type: "string" },
  },
});
/** The longest command line that there is room for. */
const maxBootArgsBytes = 2047;
const agentSocket = `played-agent.${process.pid}`;
const levels = ["Error", "Warning", "Info", "Debug", "Trace", "Off"];
if (values.level !== undefined && !levels.includes(values.level)) process.exit(153);

type Settings = Record<string, Record<string, unknown>>;
let settings: Settings = {};
let state: "Not started" | "Running" | "Paused" = "Not started";
let agent: ChildProcess | undefined;
let openAgent: () => Promise<Duplex> = () => Promise.reject(new Error("no guest"));

/** What was asked, for the tests: a line each. */
function note(line: string): void {
  appendFileSync("played-calls", `${line}\n`);
}

const server = createHttp((request, response) => {
  void answer(request).then(
    (body) => finish(response, body === undefined ? 204 : 200, body),
    (error: unknown) => finish(response, 400, { fault_message: (error as Error).message }),
  );
});
server.listen(values["api-sock"] ?? "/run/firecracker.socket");

function finish(response: ServerResponse, status: number, body: unknown): void {
  const text = body === undefined ? "" : JSON.stringify(body);
  response.writeHead(
    status,
    text === "" ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(text) },
  );
  response.end(text);
}

async function answer(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const { method = "", url = "" } = request;
  const fact = factFor(method, url);
  if (fact === undefined) throw new Error(`Invalid request method and/or path: ${method} ${url.slice(1)}.`);
  const text = Buffer.concat(chunks).toString();
  note(`${method} ${url} ${text}`);
  if (request.headers["transfer-encoding"] !== undefined) throw new Error("Unsupported header");
  let body: Record<string, unknown> = {};
  if (fact.body !== undefined) {
    body = JSON.parse(text) as Record<string, unknown>;
    const wrong = wrongWith(body, fact.body);
    if (wrong !== undefined) {
      throw new Error(`An error occurred when deserializing the json body of a request: ${wrong}`);
    }
  } else if (text !== "") throw new Error("GET request cannot have a body.");
  requireTime(fact.when);
  return await carryOut(method, url, body);
}

function requireTime(when: string): void {
  const isStarted = state !== "Not started";
  if (when === "before boot" || when === "fresh") {
    if (isStarted) throw new Error("The requested operation is not supported after starting the microVM.");
    if (when === "fresh" && Object.keys(settings).length > 0) {
      throw new Error(
        "Load snapshot error: Loading a microVM snapshot not allowed after configuring boot-specific resources.",
      );
    }
  }
  if ((when === "after boot" || when === "paused") && !isStarted) {
    throw new Error("The requested operation is not supported before starting the microVM.");
  }
  if (when === "paused" && state !== "Paused") {
    throw new Error(
      "Create snapshot error: Cannot save the microVM state: Operation not allowed: save/restore unavailable while running",
    );
  }
}

async function carryOut(method: string, url: string, body: Record<string, unknown>): Promise<unknown> {
  switch (`${method} ${url}`) {
    case "GET /":
      return { app_name: "Firecracker", id: values.id ?? "anonymous-instance", state, vmm_version: "1.17.0" };
    case "GET /version":
      return { firecracker_version: "1.17.0" };
    case "PUT /actions":
      await startGuest();
      return undefined;
    case "PATCH /vm":
      await turn(body["state"] === "Paused" ? "Paused" : "Running");
      return undefined;
    case "PUT /snapshot/create":
      save(String(body["snapshot_path"]), String(body["mem_file_path"]));
      return undefined;
    case "PUT /snapshot/load":
      await restore(body);
      return undefined;
    default:
      if (method === "GET") return settings;
      configure(url, body);
      settings[url] = body;
      return undefined;
  }
}

/** What is looked at, opened or bound as soon as it is told. */
function configure(url: string, body: Record<string, unknown>): void {
  const { kernel_image_path: kernel, initrd_path: initrd, boot_args: words, drive_id: drive } = body;
  if (url === "/boot-source") {
    opened("Boot source error: The kernel file cannot be opened", kernel);
    if (initrd !== undefined) opened("Boot source error: The initrd file cannot be opened", initrd);
    if (typeof words === "string" && Buffer.byteLength(words) > maxBootArgsBytes) {
      throw new Error(
        "Boot source error: The kernel command line is invalid: Invalid cmdline capacity provided.",
      );
    }
  }
  if (url.startsWith("/drives/")) {
    if (url !== `/drives/${String(drive)}`) {
      throw new Error("The id from the path does not match the id from the body!");
    }
    opened("Drive config error: Error manipulating the backing file", body["path_on_host"]);
  }
  if (url === "/vsock") bindVsock(String(body["uds_path"]));
}

function opened(what: string, path: unknown): void {
  try {
    closeSync(openSync(String(path), "r"));
  } catch (error) {
    throw new Error(
      `${what}: ${(error as NodeJS.ErrnoException).code === "ENOENT" ? "No such file or directory" : String(error)} ${String(path)}`,
    );
  }
}

let vsock: ReturnType<typeof createServer> | undefined;
function bindVsock(path: string): void {
  const error =
    "Vsock config error: Cannot create backend for vsock device: Error binding to the host-side Unix socket";
  if (Buffer.byteLength(path) > 107) throw new Error(`${error}: path must be shorter than SUN_LEN`);
  // What was bound for this machine before goes.
  vsock?.close();
  if (vsock !== undefined) rmSync(settings["/vsock"]?.["uds_path"] as string, { force: true });
  vsock = undefined;
  if (existsSync(path)) throw new Error(`${error}: Address in use (os error 98)`);
  vsock = createServer((connection) => serveVsock(connection)).listen(path);
}

function setting(path: string): Record<string, unknown> {
  const found = settings[path];
  if (found !== undefined) return found;
  throw new Error(
    path === "/boot-source"
      ? "Start microvm error: Cannot start microvm without kernel configuration."
      : `No machine of Kelpie's starts without ${path}.`,
  );
}

async function startGuest(): Promise<void> {
  const source = setting("/boot-source");
  const kernel = String(source["kernel_image_path"]);
  const { kind } = identifyKernel(readFileSync(kernel), kernel);
  if (kind !== "elf" && kind !== "arm64-image") {
    throw new Error(`Start microvm error: System configuration error: Cannot load kernel: a ${kind}.`);
  }
  await runGuest(String(source["boot_args"]));
}

async function runGuest(bootArgs: string): Promise<void> {
  setting("/drives/root");
  setting("/vsock");
  console.log(`[    0.000000] Command line: ${bootArgs}`);
  await startAgent();
  state = "Running";
  console.log("kelpie: init agent\nkelpie: agent ready");
}

/** Stands still when a guest is saved, and is another afterwards, as the real agent is; the host is left alone. */
async function startAgent(): Promise<void> {
  if (agentProgram === "played") {
    const resumed = (line: string): Promise<Record<string, never>> => {
      note(`agent ${line}`);
      return Promise.resolve({});
    };
    const { open } = playAgent({
      agent: { getInfo: () => ({ instanceId: String(process.pid) }) },
      processes: {
        // The process that warms the guest up before it is saved.
        async *exec() {
          const exited = { case: "exited" as const, value: { status: { case: "code" as const, value: 0 } } };
          yield await Promise.resolve({ event: { event: exited } });
        },
      },
      system: {
        prepareSnapshot: () => resumed("stands still"),
        resume: ({ hostname }) => resumed(`is ${hostname}`),
        shutdown: ({ action }) => {
          note(`agent shutdown ${action}`);
          // By PSCI on arm64, and by PID 1's reset on amd64.
          setImmediate(() => process.exit(0));
          return {};
        },
      },
    });
    openAgent = open;
    return;
  }
  const child = spawn(agentProgram, ["--unix", agentSocket], { stdio: ["ignore", "ignore", "pipe"] });
  agent = child;
  await new Promise((resolve) => child.stderr.once("data", resolve));
  openAgent = () => Promise.resolve(connect(agentSocket));
}

/** Host-initiated connections: `CONNECT PORT` and a newline, answered by `OK` and a port of the host's side. */
function serveVsock(connection: Socket): void {
  connection.on("error", () => undefined);
  connection.once("data", (line: Buffer) => {
    if (line.toString() !== "CONNECT 5123\n") {
      connection.destroy();
      return;
    }
    void openAgent().then(
      (guest) => {
        guest.on("error", () => connection.destroy());
        connection.on("close", () => guest.destroy());
        connection.write("OK 1073741824\n");
        connection.pipe(guest).pipe(connection);
      },
      () => connection.destroy(),
    );
  });
}

async function turn(next: "Running" | "Paused"): Promise<void> {
  state = next;
  agent?.kill(next === "Paused" ? "SIGSTOP" : "SIGCONT");
  if (next === "Paused" && agent?.pid !== undefined) await untilStopped(realPlatform, agent.pid);
}

function save(path: string, memory: string): void {
  writeFileSync(path, JSON.stringify({ settings }), { flag: "wx" });
  writeFileSync(memory, "memory", { flag: "wx" });
}

async function restore(body: Record<string, unknown>): Promise<void> {
  const backend = body["mem_backend"] as Record<string, unknown>;
  opened("Load snapshot error: Failed to open snapshot file", body["snapshot_path"]);
  readSync(openSync(String(backend["backend_path"]), "r"), Buffer.alloc(6));
  ({ settings } = JSON.parse(readFileSync(String(body["snapshot_path"]), "utf8")) as { settings: Settings });
  for (const [url, known] of Object.entries(settings))
    if (url.startsWith("/drives/") || url === "/vsock") configure(url, known);
  await runGuest("restored");
  if (body["resume_vm"] !== true) await turn("Paused");
}

process.on("exit", () => agent?.kill("SIGKILL"));
