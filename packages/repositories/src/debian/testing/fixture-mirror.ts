// A Debian mirror on the loopback interface, signed by a key of its own, that can misbehave on demand.

import { createHash } from "node:crypto";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import * as openpgp from "openpgp";
import type { MadeDeb } from "./make-deb.ts";

/** What the server does instead of answering well. */
export type Fault = "truncate" | "corrupt" | "stall" | "not-found" | "unavailable";

export interface FixtureOptions {
  readonly debs: readonly MadeDeb[];
  readonly suite?: string;
  readonly architectures?: readonly string[];
  readonly signedBy?: readonly SigningKey[];
  /** Further or other fields of the Release file. */
  readonly release?: Readonly<Record<string, string>>;
  /** Changes the text of the Packages index before it is digested. */
  readonly editPackages?: (text: string) => string;
  readonly date?: Date;
}

export interface SigningKey {
  readonly privateKey: openpgp.PrivateKey;
  /** Armored, for a keyring. */
  readonly publicKey: string;
}

export interface FixtureMirror extends AsyncDisposable {
  readonly url: string;
  /** Paths that were asked for, in order. */
  readonly requests: string[];
  /** Replaces what is served. */
  publish(options: FixtureOptions): Promise<void>;
  /** From now on, requests whose path contains `part` meet the fault, as often as said. */
  breakPath(part: string, fault: Fault, times?: number): void;
  /** Ends all faults. */
  mend(): void;
  /** Changes or removes one file as served, without touching digests or signatures. */
  replace(path: string, change: (bytes: Uint8Array) => Uint8Array | undefined): void;
}

export async function makeSigningKey(name = "Test archive key"): Promise<SigningKey> {
  const { privateKey, publicKey } = await openpgp.generateKey({
    type: "ecc",
    curve: "ed25519Legacy",
    userIDs: [{ name }],
    date: new Date(Date.now() - 7 * 24 * 3_600_000),
    format: "object",
  });
  return { privateKey, publicKey: publicKey.armor() };
}

export async function startMirror(options: FixtureOptions): Promise<FixtureMirror> {
  let files = await layOut(options);
  const requests: string[] = [];
  const faults: { readonly part: string; readonly fault: Fault; times: number }[] = [];
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? "/", "http://x").pathname).slice(1);
    requests.push(path);
    const broken = faults.find(({ part, times }) => path.includes(part) && times > 0);
    if (broken !== undefined) broken.times--;
    answer(response, files.get(path), broken?.fault);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    publish: async (next) => void (files = await layOut(next)),
    breakPath: (part, fault, times = Infinity) => void faults.unshift({ part, fault, times }),
    mend: () => void faults.splice(0),
    replace: (path, change) => {
      const changed = change(files.get(path) ?? new Uint8Array());
      if (changed === undefined) files.delete(path);
      else files.set(path, changed);
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function answer(response: ServerResponse, bytes: Uint8Array | undefined, fault: Fault | undefined): void {
  if (fault === "unavailable") response.writeHead(503).end();
  else if (bytes === undefined || fault === "not-found") response.writeHead(404).end();
  else {
    response.writeHead(200, { "content-length": bytes.length });
    const half = bytes.subarray(0, Math.floor(bytes.length / 2));
    if (fault === undefined) response.end(bytes);
    else if (fault === "corrupt")
      response.end(bytes.map((byte, at) => (at === half.length ? byte ^ 1 : byte)));
    else response.write(half, () => (fault === "truncate" ? response.destroy() : undefined));
  }
}

async function layOut(options: FixtureOptions): Promise<Map<string, Uint8Array>> {
  const {
    debs,
    suite = "bookworm",
    architectures = ["amd64"],
    editPackages = (text: string) => text,
  } = options;
  const files = new Map<string, Uint8Array>();
  const listed = new Map<string, Uint8Array>();
  for (const { spec, bytes } of debs) files.set(poolPath(spec), bytes);
  for (const architecture of architectures) {
    const fitting = debs.filter(({ spec }) => ["all", architecture].includes(spec.architecture ?? "amd64"));
    const packages = Buffer.from(editPackages(fitting.map(packagesStanza).join("\n")));
    const path = `main/binary-${architecture}/Packages`;
    listed.set(path, packages).set(`${path}.gz`, gzipSync(packages));
  }
  for (const [path, bytes] of listed) {
    const directory = `dists/${suite}/${path.slice(0, path.lastIndexOf("/"))}`;
    // Like Debian's own mirrors, which list the uncompressed index and do not carry it.
    if (path.endsWith(".gz"))
      files.set(`dists/${suite}/${path}`, bytes).set(`${directory}/by-hash/SHA256/${sha256(bytes)}`, bytes);
  }
  const release = releaseText(options, suite, architectures, listed);
  files.set(`dists/${suite}/Release`, Buffer.from(release));
  const signingKeys = (options.signedBy ?? []).map(({ privateKey }) => privateKey);
  if (signingKeys.length > 0) {
    const message = await openpgp.createCleartextMessage({ text: release });
    files.set(`dists/${suite}/InRelease`, Buffer.from(await openpgp.sign({ message, signingKeys })));
    const binary = await openpgp.createMessage({ binary: Buffer.from(release) });
    // Its declared type rests on a package that is not installed.
    const detached: unknown = await openpgp.sign({ message: binary, signingKeys, detached: true });
    files.set(`dists/${suite}/Release.gpg`, Buffer.from(String(detached)));
  }
  return files;
}

function releaseText(
  { release = {}, date = new Date(Date.now() - 3_600_000) }: FixtureOptions,
  suite: string,
  architectures: readonly string[],
  listed: ReadonlyMap<string, Uint8Array>,
): string {
  const fields: Record<string, string> = {
    Origin: "Debian",
    Label: "Debian",
    Suite: "oldstable",
    Codename: suite,
    Date: date.toUTCString().replace("GMT", "UTC"),
    "Acquire-By-Hash": "yes",
    Architectures: architectures.join(" "),
    Components: "main",
    ...release,
  };
  const lines = [...listed].map(([path, bytes]) => ` ${sha256(bytes)} ${bytes.length} ${path}\n`);
  return `${Object.entries(fields)
    .map(([name, value]) => `${name}: ${value}\n`)
    .join("")}SHA256:\n${lines.join("")}`;
}

function packagesStanza({ spec, bytes, stanza, sha256: digest }: MadeDeb): string {
  return `${stanza}Filename: ${poolPath(spec)}\nSize: ${bytes.length}\nSHA256: ${digest}\n`;
}

function poolPath({ name, version, architecture = "amd64" }: MadeDeb["spec"]): string {
  return `pool/main/${name.charAt(0)}/${name}/${name}_${version.replace(/^\d+:/, "")}_${architecture}.deb`;
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
