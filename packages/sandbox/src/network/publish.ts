// Ports of the host that lead into a guest, as a person writes them.

import { KelpieError } from "@kelpie/platform";
import type { PublishedPort } from "../vmm/pluggable.ts";
import { parseAddress } from "./address.ts";

const loopback = "127.0.0.1";

/** `[ADDRESS:]HOST:GUEST`, on the host's loopback unless an IPv4 address says otherwise. @throws KelpieError `usage` */
export function parsePublish(text: string): PublishedPort {
  const parts = text.split(":");
  const [guest = "", host = "", address = loopback] = parts.toReversed();
  const [guestPort, hostPort] = [guest, host].map((part) => (/^\d{1,5}$/.test(part) ? Number(part) : -1));
  const fits = (port: number | undefined): port is number => port !== undefined && port >= 1 && port <= 65535;
  if (parts.length > 3 || !fits(guestPort) || !fits(hostPort) || parseAddress(address)?.length !== 4) {
    throw new KelpieError("usage", "Cannot tell which port to publish", {
      expected: "HOST:GUEST or ADDRESS:HOST:GUEST",
      found: JSON.stringify(text.slice(0, 100)),
      help: "For example 8080:80, or 0.0.0.0:8080:80 for other machines to see it.",
    });
  }
  return { hostAddress: address, hostPort, guestPort };
}
