// Who we are to a registry: from the environment, or from what `docker login` and `podman login` keep.

import { join } from "node:path";
import { KelpieError, type Platform } from "@kelpie/platform";
import { z } from "zod";
import { parseJsonAs } from "../../json/parse-json-as.ts";
import type { RepositoryName } from "./reference.ts";

/** A name and its secret. */
export interface Credentials {
  readonly user: string;
  readonly secret: string;
}

const maxFileBytes = 1 << 20;
/** Registries that take a token for a password do not look at the name. */
const tokenUser = "kelpie";

const loginFile = z.looseObject({
  auths: z
    .record(
      z.string(),
      z.looseObject({
        auth: z.string().optional(),
        username: z.string().optional(),
        password: z.string().optional(),
      }),
    )
    .optional(),
  credHelpers: z.record(z.string(), z.string()).optional(),
  credsStore: z.string().optional(),
});

const helperAnswer = z.looseObject({ Username: z.string(), Secret: z.string() });

type CredentialPlatform = Pick<Platform, "files" | "host" | "processes">;

/**
 * The credentials for a repository, or undefined where there are none: KELPIE_REGISTRY_TOKEN (with KELPIE_REGISTRY_USER)
 * first, then the files that REGISTRY_AUTH_FILE, podman and docker name, in this order.
 *
 * @throws KelpieError `malformed` for a file that is damaged, `process-failed` for a helper that fails.
 */
export async function findCredentials(
  platform: CredentialPlatform,
  repository: RepositoryName,
): Promise<Credentials | undefined> {
  const { environment } = platform.host;
  const token = environment["KELPIE_REGISTRY_TOKEN"];
  if (token !== undefined && token !== "")
    return { user: environment["KELPIE_REGISTRY_USER"] ?? tokenUser, secret: token };
  for (const path of loginFiles(platform.host)) {
    const credentials = await fromFile(platform, path, repository);
    if (credentials !== undefined) return credentials;
  }
  return undefined;
}

/** Where `docker login` and `podman login` keep what they are told, the first to be looked at first. */
export function loginFiles({ environment, homeDirectory }: Platform["host"]): string[] {
  const { REGISTRY_AUTH_FILE: chosen, DOCKER_CONFIG: docker, XDG_RUNTIME_DIR: runtime } = environment;
  if (chosen !== undefined && chosen !== "") return [chosen];
  return [
    ...(runtime === undefined || runtime === "" ? [] : [join(runtime, "containers/auth.json")]),
    join(homeDirectory, ".config/containers/auth.json"),
    join(docker === undefined || docker === "" ? join(homeDirectory, ".docker") : docker, "config.json"),
  ];
}

async function fromFile(
  platform: CredentialPlatform,
  path: string,
  repository: RepositoryName,
): Promise<Credentials | undefined> {
  if ((await platform.files.stat(path)) === undefined) return undefined;
  const bytes = await platform.files.readFile(path, maxFileBytes);
  const {
    auths = {},
    credHelpers = {},
    credsStore,
  } = parseJsonAs(loginFile, bytes, "A file of logins is damaged", path);
  for (const key of keysOf(repository)) {
    const helper = credHelpers[key];
    if (helper !== undefined) return await fromHelper(platform.processes, helper, key);
    const entry = auths[key];
    if (entry === undefined) continue;
    const credentials = decodeAuth(entry.auth, path);
    if (credentials !== undefined) return credentials;
    if (entry.username !== undefined && entry.password !== undefined)
      return { user: entry.username, secret: entry.password };
    // Docker leaves an empty entry where it gave the secret to the store.
    if (credsStore !== undefined) return await fromHelper(platform.processes, credsStore, key);
  }
  return undefined;
}

/** The keys that a login for a repository may have, the narrowest first: podman knows logins for a part of a registry. */
function keysOf({ host, name }: RepositoryName): string[] {
  const components = name.split("/");
  const narrow = components.map(
    (_, index) => `${host}/${components.slice(0, components.length - index).join("/")}`,
  );
  const wide = [host, `https://${host}`, `https://${host}/`, `https://${host}/v1/`, `https://${host}/v2/`];
  return [...narrow, ...wide, ...(host === "docker.io" ? ["https://index.docker.io/v1/"] : [])];
}

function decodeAuth(auth: string | undefined, where: string): Credentials | undefined {
  if (auth === undefined || auth === "") return undefined;
  const text = Buffer.from(auth, "base64").toString("utf8");
  const colon = text.indexOf(":");
  if (colon > 0) return { user: text.slice(0, colon), secret: text.slice(colon + 1).replace(/\0+$/, "") };
  throw new KelpieError("malformed", "A login is damaged", { expected: "base64 of user:password", where });
}

/** Asks a program of docker's protocol for credential helpers. */
async function fromHelper(
  processes: Platform["processes"],
  name: string,
  server: string,
): Promise<Credentials | undefined> {
  if (!/^[a-z0-9][a-z0-9_.-]{0,63}$/i.test(name))
    throw new KelpieError("malformed", "A credential helper has an impossible name", {
      found: JSON.stringify(name),
    });
  const program = `docker-credential-${name}`;
  const { exit, stdout } = await processes.run(program, ["get"], {
    input: new TextEncoder().encode(server),
    maxOutputBytes: maxFileBytes,
    timeoutMs: 30_000,
  });
  // A helper says that it has nothing by failing; what it printed could be a secret and is not shown.
  if (exit.kind !== "exited" || exit.code !== 0) return undefined;
  const { Username: user, Secret: secret } = parseJsonAs(
    helperAnswer,
    stdout,
    "A credential helper's answer is damaged",
    program,
  );
  return { user, secret };
}
