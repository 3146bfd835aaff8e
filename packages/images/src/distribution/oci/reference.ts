// Names of things in a registry: `[oci://]host[:port]/name[:tag|@digest]`.

import { KelpieError } from "@kelpie/platform";
import { type Digest, parseDigest } from "./digest.ts";

/** One repository of one registry. */
export interface RepositoryName {
  /** As a person writes it, with the port where there is one: "ghcr.io", "localhost:5000". */
  readonly host: string;
  /** Lower-case path components: "your-org/kelpie-base". */
  readonly name: string;
}

/** One manifest in a repository. */
export interface RegistryReference extends RepositoryName {
  readonly target:
    | { readonly kind: "tag"; readonly tag: string }
    | { readonly kind: "digest"; readonly digest: Digest };
}

const maxLength = 1024;
const hostExpression = /^(?:\[[0-9a-f:]{2,39}\]|[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)(?::[1-9]\d{0,4})?$/i;
/** OCI distribution specification 1.1, section "Pulling manifests". */
const nameExpression = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const tagExpression = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;

/** @throws KelpieError `usage` where the text is not a reference with a tag or a digest. */
export function parseReference(text: string): RegistryReference {
  const { host, path } = splitHost(text);
  const at = path.indexOf("@");
  if (at >= 0) {
    const digest = parseDigest(path.slice(at + 1));
    if (digest === undefined) throw notReference(text, "a digest of the form sha256:<64 hexadecimal digits>");
    return { host, name: checkName(text, path.slice(0, at)), target: { kind: "digest", digest } };
  }
  const colon = path.indexOf(":");
  if (colon < 0) throw notReference(text, "a tag or a digest at the end: host/name:tag");
  return {
    host,
    name: checkName(text, path.slice(0, colon)),
    target: { kind: "tag", tag: checkTag(path.slice(colon + 1)) },
  };
}

/**
 * Parses where something is pushed to: a repository, or a bare host, below which `defaultName` is used.
 *
 * @throws KelpieError `usage`.
 */
export function parseRepository(text: string, defaultName: string): RepositoryName {
  const { host, path } = splitHost(text.replace(/\/$/, ""));
  return { host, name: checkName(text, path === "" ? defaultName : path) };
}

/** @throws KelpieError `usage` where the text cannot be a tag. */
export function checkTag(tag: string): string {
  if (tagExpression.test(tag)) return tag;
  throw new KelpieError("usage", "This is not a tag", {
    expected: "up to 128 letters, digits, dots, hyphens and underscores",
    found: JSON.stringify(tag.slice(0, maxLength)),
  });
}

/** The text of a reference, without `oci://`. */
export function formatReference({ host, name, target }: RegistryReference): string {
  return `${host}/${name}${target.kind === "tag" ? `:${target.tag}` : `@${target.digest}`}`;
}

/** The origin that a registry's API has. Only a registry on this machine is spoken to without TLS. */
export function registryOrigin(host: string): string {
  // Docker Hub's API has another name than its images.
  if (host === "docker.io") return "https://registry-1.docker.io";
  return `${isLoopbackHost(new URL(`http://${host}`).hostname) ? "http" : "https"}://${host}`;
}

/** Whether a URL's host name is this machine, whatever a resolver says. */
export function isLoopbackHost(hostname: string): boolean {
  return (
    hostname === "localhost" ||
    hostname.endsWith(".localhost") ||
    hostname === "[::1]" ||
    /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(hostname)
  );
}

function splitHost(text: string): { readonly host: string; readonly path: string } {
  const bare = text.startsWith("oci://") ? text.slice("oci://".length) : text;
  if (bare.length > maxLength) throw notReference(text, `at most ${maxLength} characters`);
  const slash = bare.indexOf("/");
  const host = (slash < 0 ? bare : bare.slice(0, slash)).toLowerCase();
  const looksLikeHost = host.includes(".") || host.includes(":") || host === "localhost";
  if (!hostExpression.test(host) || !looksLikeHost || !URL.canParse(`http://${host}`))
    throw notReference(text, "a registry's host in front, such as ghcr.io/ or localhost:5000/");
  return { host, path: slash < 0 ? "" : bare.slice(slash + 1) };
}

function checkName(text: string, name: string): string {
  if (nameExpression.test(name) && name.length <= 255) return name;
  throw notReference(text, "a name of lower-case words, digits, and . _ - / between them");
}

function notReference(text: string, expected: string): KelpieError {
  return new KelpieError("usage", "This does not name anything in a registry", {
    expected,
    found: JSON.stringify(text.slice(0, maxLength)),
    help: "For example: ghcr.io/your-org/kelpie-base:1.0.0-20260115-a3f4d21",
  });
}
