// Where the host finds a machine's vsock, written down in its run directory for every process that wants to connect.

import type { Duplex } from "node:stream";
import { join } from "node:path";
import {
  KelpieError,
  type Platform,
  readTextIfPresent,
  tryParseJson,
  writeFileAtomic,
} from "@kelpie/platform";
import { connectThroughSocat } from "./socat-connect.ts";
import { agentVsockPort, connectVsock } from "./vsock-connect.ts";

/** The host's end of a machine's vsock device. */
export type VsockEndpoint =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "vsock"; readonly guestCid: number; readonly socat: string };

const fileName = "vsock.json";
const fileLimitBytes = 4 << 10;
/** Larger ones are not addresses: 2^32 - 1 stands for any (vsock(7)). */
const largestCid = 2 ** 32 - 2;
/** 0 to 2 are the hypervisor, the local machine and the host. */
const smallestGuestCid = 3;

type ConnectParts = Pick<Platform, "clock" | "host" | "network" | "processes">;

/** A connection to the machine's agent. See {@link connectVsock}. */
export function connectEndpoint(
  platform: ConnectParts,
  endpoint: VsockEndpoint,
  signal: AbortSignal,
): Promise<Duplex> {
  switch (endpoint.kind) {
    case "unix":
      return connectVsock(platform, endpoint.path, agentVsockPort, signal);
    case "vsock": {
      const { socat, guestCid } = endpoint;
      return connectThroughSocat(platform, socat, `VSOCK-CONNECT:${guestCid}:${agentVsockPort}`, signal);
    }
    default:
      return endpoint satisfies never;
  }
}

/** Writes an endpoint down in a machine's run directory. */
export async function writeEndpoint(
  platform: Pick<Platform, "files" | "host" | "random">,
  runDirectory: string,
  endpoint: VsockEndpoint,
): Promise<void> {
  await writeFileAtomic(platform, join(runDirectory, fileName), `${JSON.stringify(endpoint)}\n`, 0o600);
}

/** The endpoint of the machine of a run directory; undefined where its agent has no vsock. `malformed`. */
export async function readEndpoint(
  { files }: Pick<Platform, "files">,
  runDirectory: string,
): Promise<VsockEndpoint | undefined> {
  const where = join(runDirectory, fileName);
  const text = await readTextIfPresent(files, where, fileLimitBytes);
  if (text === undefined) return undefined;
  const value: unknown = tryParseJson(text);
  const endpoint = typeof value === "object" && value !== null ? endpointOf(value) : undefined;
  if (endpoint !== undefined) return endpoint;
  throw new KelpieError("malformed", "What is written of a sandbox's vsock cannot be read", { where });
}

function endpointOf(value: object): VsockEndpoint | undefined {
  const { kind, path, guestCid, socat }: Partial<Record<string, unknown>> = { ...value };
  if (kind === "unix" && typeof path === "string") return { kind, path };
  if (kind === "vsock" && isGuestCid(guestCid) && typeof socat === "string") return { kind, guestCid, socat };
  return undefined;
}

function isGuestCid(value: unknown): value is number {
  return (
    typeof value === "number" &&
    Number.isSafeInteger(value) &&
    value >= smallestGuestCid &&
    value <= largestCid
  );
}

/** A context id for a guest, out of so many that two rarely meet; the kernel refuses one that is in use. */
export function randomGuestCid({ random }: Pick<Platform, "random">): number {
  const number = Buffer.from(random.bytes(4)).readUInt32LE(0);
  return smallestGuestCid + (number % (largestCid - smallestGuestCid + 1));
}
