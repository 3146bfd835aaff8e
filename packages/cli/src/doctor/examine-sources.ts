// The doctor's look at where packages and images come from. Nothing is asked of a network unless the person wants that.

import type { Platform } from "@kelpie/platform";
import { loginFiles } from "@kelpie/images";
import type { Finding } from "./finding.ts";

const alpineMirror = "https://dl-cdn.alpinelinux.org/alpine/";
const answerWithinMs = 5_000;

/** Where Debian's packages would come from: there is no mirror that Kelpie could guess. */
export async function examineDebian({ host, processes }: Platform): Promise<Finding> {
  const subject = "Debian packages";
  const mirror = host.environment["KELPIE_DEBIAN_MIRROR"];
  if (mirror !== undefined && mirror !== "") return { subject, verdict: "ok", found: mirror };
  if ((await processes.find("apt-get")) !== undefined) {
    return { subject, verdict: "ok", found: "through this system's own apt" };
  }
  return {
    subject,
    verdict: "limited",
    found: "no apt here, and KELPIE_DEBIAN_MIRROR is not set",
    cost: "images/kelpie-debian.yaml cannot be built, nor the programs that run in every guest",
    fix: "export KELPIE_DEBIAN_MIRROR=<the address of a mirror near you>",
  };
}

/** Who we are to registries. */
export async function examineLogins({ host, files }: Platform): Promise<Finding> {
  const subject = "registry logins";
  const token = host.environment["KELPIE_REGISTRY_TOKEN"] ?? "";
  const paths = loginFiles(host);
  const standing = await Promise.all(paths.map(async (path) => (await files.stat(path)) !== undefined));
  const sources = [
    ...(token === "" ? [] : ["KELPIE_REGISTRY_TOKEN"]),
    ...paths.filter((_, index) => standing[index]),
  ];
  if (sources.length > 0) return { subject, verdict: "ok", found: sources.join(", ") };
  return {
    subject,
    verdict: "limited",
    found: "none",
    cost: "nothing can be pushed, and only public images can be pulled, where a registry asks for a login",
    fix: "docker login or podman login, or export KELPIE_REGISTRY_TOKEN=<a token>",
  };
}

/** Whether Alpine's mirror answers. */
export async function examineAlpine({ network, clock }: Platform, signal: AbortSignal): Promise<Finding> {
  const subject = "Alpine packages";
  using deadline = clock.deadline(answerWithinMs, "The answer of Alpine's mirror");
  try {
    const { status, body } = await network.request(alpineMirror, {
      method: "HEAD",
      signal: AbortSignal.any([signal, deadline.signal]),
    });
    await body[Symbol.asyncIterator]().return?.();
    if (status < 400) return { subject, verdict: "ok", found: `${alpineMirror} answers` };
    return unreachable(subject, `${alpineMirror} answers ${status}`);
  } catch (error) {
    signal.throwIfAborted();
    return unreachable(subject, error instanceof Error ? error.message : String(error));
  }
}

function unreachable(subject: string, found: string): Finding {
  return {
    subject,
    verdict: "limited",
    found,
    cost: "images/kelpie-base.yaml cannot be built here; the quickstart takes Debian",
    fix: "name a mirror that you can reach in a spec of your own",
  };
}
