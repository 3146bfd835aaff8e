// The Authorization header for one repository: basic, or a token that the registry's token service gives
// (the distribution project's token authentication specification).

import { collect } from "@kelpie/formats";
import { KelpieError, type Platform } from "@kelpie/platform";
import { httpExchange, type HttpTimeouts, refusedStatus, type Attempt } from "@kelpie/repositories";
import { z } from "zod";
import { type Challenge, parseChallenge } from "./challenge.ts";
import { type Credentials, findCredentials } from "./credentials.ts";
import { parseJsonAs } from "../../json/parse-json-as.ts";
import { isLoopbackHost, registryOrigin, type RepositoryName } from "./reference.ts";

const maxTokenBytes = 1 << 20;

const tokenAnswer = z.looseObject({ token: z.string().optional(), access_token: z.string().optional() });

/** What we want to do. */
export type Access = "pull" | "push";

/** Holds what opens one repository. Only ever sent to the registry's own origin. */
export class Authorization {
  readonly #platform: Platform;
  readonly #repository: RepositoryName;
  readonly #access: Access;
  readonly #timeouts: HttpTimeouts;
  #header: string | undefined;
  #pending: Promise<Attempt<undefined>> | undefined;

  constructor(platform: Platform, repository: RepositoryName, access: Access, timeouts: HttpTimeouts) {
    this.#platform = platform;
    this.#repository = repository;
    this.#access = access;
    this.#timeouts = timeouts;
  }

  /** The value of the Authorization header for a request to the registry, once there is one. */
  get header(): string | undefined {
    return this.#header;
  }

  /**
   * Answers a 401 to a request that had the authorization `sent`, unless another request has done so meanwhile. `scopes`
   * names further scopes that are wanted.
   *
   * @throws KelpieError `permission-denied` where we have nothing that could help.
   */
  async answer(
    challengeHeader: string | undefined,
    sent: string | undefined,
    scopes: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<Attempt<undefined>> {
    if (this.#header !== sent) return { kind: "done", value: undefined };
    this.#pending ??= this.#answerOnce(challengeHeader, scopes, signal).finally(() => {
      this.#pending = undefined;
    });
    return this.#pending;
  }

  async #answerOnce(
    challengeHeader: string | undefined,
    scopes: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<Attempt<undefined>> {
    const challenge = parseChallenge(challengeHeader ?? "");
    const credentials = await findCredentials(this.#platform, this.#repository);
    if (challenge === undefined) throw this.#denied("a way to log in that Kelpie knows: Bearer or Basic");
    if (challenge.kind === "basic") {
      if (credentials === undefined) throw this.#denied("a login");
      this.#header = basic(credentials);
      return { kind: "done", value: undefined };
    }
    return this.#fetchToken(challenge, credentials, scopes, signal);
  }

  async #fetchToken(
    challenge: Challenge & { kind: "bearer" },
    credentials: Credentials | undefined,
    scopes: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<Attempt<undefined>> {
    const url = this.#tokenUrl(challenge, scopes);
    const headers = credentials === undefined ? {} : { authorization: basic(credentials) };
    const options = { headers, redirect: "manual", timeouts: this.#timeouts, signal } as const;
    return httpExchange(this.#platform, url.href, options, async (response): Promise<Attempt<undefined>> => {
      if (response.status === 401 || response.status === 403)
        throw this.#denied(credentials === undefined ? "a login" : "a login that the registry accepts");
      if (response.status !== 200) return refusedStatus(url.href, response);
      const bytes = await collect(response.body, maxTokenBytes, "A registry's token");
      const answer = parseJsonAs(tokenAnswer, bytes, "A registry's token is not as expected", url.origin);
      const token = answer.token ?? answer.access_token ?? "";
      if (!/^[\x21-\x7e]+$/.test(token))
        throw new KelpieError("malformed", "A registry's token is not as expected", { where: url.origin });
      this.#header = `Bearer ${token}`;
      return { kind: "done", value: undefined };
    });
  }

  /** Credentials go there: over TLS, or on this machine where the registry is on it too. */
  #tokenUrl({ realm, service, scope }: Challenge & { kind: "bearer" }, scopes: readonly string[]): URL {
    const url = URL.canParse(realm) ? new URL(realm) : undefined;
    const isLocal =
      url?.protocol === "http:" &&
      isLoopbackHost(url.hostname) &&
      registryOrigin(this.#repository.host).startsWith("http:");
    if (url === undefined || !(url.protocol === "https:" || isLocal) || url.username !== "") {
      throw new KelpieError("permission-denied", "A registry names an unsafe place for logins", {
        expected: "an https URL",
        found: JSON.stringify(realm.slice(0, 200)),
        where: this.#repository.host,
      });
    }
    const actions = this.#access === "push" ? "pull,push" : "pull";
    const own = `repository:${apiName(this.#repository)}:${actions}`;
    if (service !== undefined) url.searchParams.set("service", service);
    const asked = (scope ?? "")
      .split(" ")
      .filter((word) => word !== "" && !word.startsWith(`repository:${apiName(this.#repository)}:`));
    for (const each of new Set([own, ...asked, ...scopes])) url.searchParams.append("scope", each);
    return url;
  }

  #denied(expected: string): KelpieError {
    return new KelpieError(
      "permission-denied",
      `The registry does not let us ${this.#access} ${this.#repository.name}`,
      {
        expected,
        where: this.#repository.host,
        help: `Log in by \`docker login ${this.#repository.host}\` or \`podman login ${this.#repository.host}\`, or set KELPIE_REGISTRY_TOKEN.`,
      },
    );
  }
}

/** The name of a repository in the registry's API: official images of Docker Hub have a name of their own there. */
export function apiName({ host, name }: RepositoryName): string {
  return host === "docker.io" && !name.includes("/") ? `library/${name}` : name;
}

function basic({ user, secret }: Credentials): string {
  return `Basic ${Buffer.from(`${user}:${secret}`).toString("base64")}`;
}
