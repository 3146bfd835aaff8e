// A connection through socat: the way to sockets that Node cannot open, of which AF_VSOCK is one.

import { Duplex } from "node:stream";
import { KelpieError, type Platform, printable } from "@kelpie/platform";
import { orAborted } from "../../or-aborted.ts";
import { readLines } from "../../qmp/lines.ts";
import { tieToUs } from "../tied-command.ts";
import { refusedByGuest } from "./vsock-connect.ts";

const lineLimitBytes = 4 << 10;
/** What socat says under `-d -d` once both its ends are open. */
const connected = "starting data transfer loop";

type Parts = Pick<Platform, "processes" | "host">;

/**
 * Connects to an address as socat(1) writes it: `VSOCK-CONNECT:<cid>:<port>`. One process a connection, which ends with it
 * and with us.
 *
 * @throws KelpieError `unreachable` with {@link refusedByGuest} where nobody takes the connection, `cancelled`
 */
export async function connectThroughSocat(
  platform: Parts,
  socat: string,
  address: string,
  signal: AbortSignal,
): Promise<Duplex> {
  // `-b`: what one read takes of a bulk copy. `-t`: an end of one direction ends the other soon.
  const args = ["-d", "-d", "-b", "65536", "-t", "1", "STDIO", address];
  const command = await tieToUs(platform, { program: socat, args });
  const child = await platform.processes.spawn(command.program, command.args, {
    ...{ stdin: "pipe", stdout: "pipe", stderr: "pipe", ownGroup: true },
  });
  const { stdin, stdout, stderr } = child;
  if (stdin === undefined || stdout === undefined || stderr === undefined) {
    throw new KelpieError("internal", "socat was started without its streams");
  }
  const opened = Promise.withResolvers<undefined>();
  opened.promise.catch(() => undefined);
  void (async () => {
    let last = "";
    try {
      for await (const line of readLines(stderr as AsyncIterable<Uint8Array>, lineLimitBytes)) {
        if (line.includes(connected)) opened.resolve(undefined);
        last = line;
      }
    } catch {
      // Whatever became of its words: its end is what tells.
    }
    opened.reject(
      new KelpieError("unreachable", "The guest does not take a vsock connection", {
        found: refusedByGuest,
        where: last === "" ? address : `${address}: ${printable(last)}`,
      }),
    );
  })();
  try {
    await orAborted(opened.promise, signal);
  } catch (error) {
    await child[Symbol.asyncDispose]();
    throw error;
  }
  const stream = Duplex.from({ readable: stdout, writable: stdin });
  stream.once("close", () => void child[Symbol.asyncDispose]());
  return stream;
}
