// Two ends of a socket: what HTTP/2 runs on otherwise too, with the kernel's buffers and timing.

import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export async function socketPair(): Promise<[Socket, Socket]> {
  const path = join(tmpdir(), `kelpie-pair-${randomUUID()}`);
  const server = createServer().listen(path);
  await once(server, "listening");
  const ours = connect(path);
  const [inner] = (await once(server, "connection")) as [Socket];
  server.close();
  return [ours, inner];
}
