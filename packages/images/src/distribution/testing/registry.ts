// Debian's docker-registry on a loopback port, with or without its token authentication.

import { execFileSync, spawn, spawnSync } from "node:child_process";
import { createPrivateKey, randomUUID, sign } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** For a test's `skip`: the reason if one of the programs is missing, false otherwise. */
export function unlessInstalled(...programs: readonly string[]): string | false {
  const missing = programs.filter((program) => spawnSync(program, ["--version"]).error !== undefined);
  return missing.length === 0 ? false : `${missing.join(", ")} not installed`;
}

export interface TestRegistry extends AsyncDisposable {
  /** "127.0.0.1:5000". */
  readonly host: string;
}

/** A registry that lets everybody in, or where `tokens` is given only who comes with tokens of that service. */
export async function startRegistry(tokens?: TokenService): Promise<TestRegistry> {
  const directory = await mkdtemp(join(tmpdir(), "kelpie-registry-"));
  const config = {
    version: "0.1",
    log: { level: "info", formatter: "json", accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(directory, "data") } },
    http: { addr: "127.0.0.1:0" },
    ...(tokens === undefined ? {} : { auth: { token: tokens.config } }),
  };
  const path = join(directory, "config.yml");
  await writeFile(path, JSON.stringify(config));
  const child = spawn("docker-registry", ["serve", path], { stdio: ["ignore", "ignore", "pipe"] });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const lines = createInterface(child.stderr);
  const host = await new Promise<string>((resolve, reject) => {
    const said: string[] = [];
    lines.on("line", (line) => {
      said.push(line);
      const address = /listening on (127\.0\.0\.1:\d+)/.exec(line)?.[1];
      if (address !== undefined) resolve(address);
    });
    void exited.then(() => reject(new TypeError(`docker-registry ended: ${said.join("\n")}`)));
  });
  return {
    host,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await exited;
      await rm(directory, { recursive: true });
    },
  };
}

export interface TokenService extends AsyncDisposable {
  /** For the registry's configuration. */
  readonly config: Readonly<Record<string, string>>;
  /** The scopes of every token that was asked for. */
  readonly asked: readonly string[][];
}

/** Gives signed tokens to whoever comes with `user` and `secret`. */
export async function startTokenService(user: string, secret: string): Promise<TokenService> {
  const directory = await mkdtemp(join(tmpdir(), "kelpie-tokens-"));
  const [key, certificate] = [join(directory, "key.pem"), join(directory, "cert.pem")];
  const make = [
    "req",
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-nodes",
    "-days",
    "2",
  ];
  execFileSync("openssl", [...make, "-subj", "/CN=test", "-keyout", key, "-out", certificate], {
    stdio: "ignore",
  });
  const privateKey = createPrivateKey(await readFile(key));
  const chain = [(await readFile(certificate, "utf8")).replace(/-----[^-]+-----|\s/g, "")];
  const asked: string[][] = [];
  const expected = `Basic ${Buffer.from(`${user}:${secret}`).toString("base64")}`;

  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://localhost");
    if (request.headers.authorization !== expected) {
      response.writeHead(401).end("who are you?");
      return;
    }
    const scopes = url.searchParams.getAll("scope");
    asked.push(scopes);
    const access = scopes.map((scope) => {
      const [type = "", name = "", actions = ""] = scope.split(":");
      return { type, name, actions: actions.split(",") };
    });
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      iss: "test",
      sub: user,
      aud: url.searchParams.get("service"),
      exp: now + 300,
      nbf: now - 10,
      iat: now,
      jti: randomUUID(),
      access,
    };
    const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
    const body = `${part({ typ: "JWT", alg: "ES256", x5c: chain })}.${part(claims)}`;
    const signature = sign("sha256", Buffer.from(body), { key: privateKey, dsaEncoding: "ieee-p1363" });
    response.end(JSON.stringify({ token: `${body}.${signature.toString("base64url")}` }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new TypeError("no port");
  return {
    config: {
      realm: `http://127.0.0.1:${address.port}/token`,
      service: "test registry",
      issuer: "test",
      rootcertbundle: certificate,
    },
    asked,
    [Symbol.asyncDispose]: async () => {
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
      await rm(directory, { recursive: true });
    },
  };
}
