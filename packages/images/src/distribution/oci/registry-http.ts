// Requests to one repository of a registry: logged in, redirected within bounds, tried again where that can help.

import { collect } from "@kelpie/formats";
import { type HttpRequest, KelpieError, type Platform } from "@kelpie/platform";
import {
  type Attempt,
  defaultRetry,
  defaultTimeouts,
  type GuardedResponse,
  httpExchange,
  type HttpTimeouts,
  refusedStatus,
  type RetryPolicy,
  withRetries,
} from "@kelpie/repositories";
import { z } from "zod";
import { type Access, apiName, Authorization } from "./authorization.ts";
import { registryOrigin, type RepositoryName } from "./reference.ts";

const maxRedirects = 5;
const maxErrorBytes = 64 << 10;

/** How patient we are. */
export interface TransferOptions {
  readonly timeouts?: Partial<HttpTimeouts> | undefined;
  readonly retry?: Partial<RetryPolicy> | undefined;
}

export interface RegistryRequest {
  readonly method?: "GET" | "HEAD" | "POST" | "PUT" | "PATCH";
  /** Below `/v2/<name>/`, or a whole URL that the registry gave us. */
  readonly target: string | URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** Made anew for each sending. */
  readonly body?: () => NonNullable<HttpRequest["body"]>;
  /** Scopes beyond the repository's own that a token should have. */
  readonly scopes?: readonly string[];
  readonly signal?: AbortSignal | undefined;
}

/** Sees a response that is neither a redirect nor a question for a login. */
export type Use<T> = (response: GuardedResponse) => Promise<Attempt<T>>;

export class RegistryHttp {
  readonly #platform: Platform;
  readonly #base: URL;
  readonly #authorization: Authorization;
  readonly #timeouts: HttpTimeouts;
  readonly #retry: RetryPolicy;

  constructor(platform: Platform, repository: RepositoryName, access: Access, options: TransferOptions = {}) {
    this.#platform = platform;
    this.#base = new URL(`${registryOrigin(repository.host)}/v2/${apiName(repository)}/`);
    this.#timeouts = { ...defaultTimeouts, ...options.timeouts };
    this.#retry = { ...defaultRetry, ...options.retry };
    this.#authorization = new Authorization(platform, repository, access, this.#timeouts);
  }

  /** Runs a transfer of one or more requests until it is done. */
  retried<T>(signal: AbortSignal | undefined, attempt: () => Promise<Attempt<T>>): Promise<T> {
    return withRetries(this.#platform, this.#retry, signal, attempt);
  }

  /** One request, with the requests that it takes to be let in and led on. */
  async once<T>(request: RegistryRequest, use: Use<T>): Promise<Attempt<T>> {
    let url = new URL(request.target, this.#base);
    let isKnown = false;
    for (let redirects = 0; ; ) {
      this.#checkProtocol(url);
      const step = await this.#send(url, request, use);
      switch (step.kind) {
        case "outcome":
          return step.outcome;
        case "challenged": {
          // A second refusal means that what we have is not enough.
          if (isKnown) throw denied(url);
          isKnown = true;
          const { scopes = [], signal } = request;
          const answered = await this.#authorization.answer(step.challenge, step.sent, scopes, signal);
          if (answered.kind === "again") return answered;
          break;
        }
        case "redirected":
          if (++redirects > maxRedirects)
            throw new KelpieError("unsupported", "A registry redirects too often", {
              where: url.origin + url.pathname,
            });
          url = step.to;
          break;
        default:
          step satisfies never;
      }
    }
  }

  async #send<T>(url: URL, request: RegistryRequest, use: Use<T>): Promise<Step<T>> {
    const { method = "GET", headers, body, signal } = request;
    const isOurs = url.origin === this.#base.origin;
    const authorization = isOurs ? this.#authorization.header : undefined;
    const options = {
      method,
      headers: { ...headers, ...(authorization === undefined ? {} : { authorization }) },
      ...(body === undefined ? {} : { body: body() }),
      redirect: "manual",
      timeouts: this.#timeouts,
      signal,
    } as const;
    return await httpExchange(this.#platform, url.href, options, async (response): Promise<Step<T>> => {
      const { status } = response;
      if (status === 401 && isOurs)
        return {
          kind: "challenged",
          sent: authorization,
          challenge: response.headers.get("www-authenticate"),
        };
      const location = response.headers.get("location");
      if (status >= 300 && status < 400 && location !== undefined && (method === "GET" || method === "HEAD"))
        return { kind: "redirected", to: resolveLocation(location, url.href) };
      return { kind: "outcome", outcome: await use(response) };
    });
  }

  /** Nothing that came over TLS leads to a place without it. */
  #checkProtocol(url: URL): void {
    if (url.protocol === "https:" || (url.protocol === "http:" && this.#base.protocol === "http:")) return;
    throw new KelpieError("permission-denied", "A registry leads to an unsafe place", {
      expected: "an https URL",
      found: `${url.protocol}//${url.host}`,
      where: this.#base.host,
    });
  }
}

type Step<T> =
  | { readonly kind: "outcome"; readonly outcome: Attempt<T> }
  | { readonly kind: "challenged"; readonly sent: string | undefined; readonly challenge: string | undefined }
  | { readonly kind: "redirected"; readonly to: URL };

/** A Location header, which may be relative. */
export function resolveLocation(location: string, from: string): URL {
  if (URL.canParse(location, from)) return new URL(location, from);
  throw new KelpieError("malformed", "A registry's Location header is not a URL", {
    found: JSON.stringify(location.slice(0, 200)),
  });
}

const errorBody = z.object({
  errors: z.array(z.object({ code: z.string(), message: z.string().optional() })).min(1),
});

/** As `refusedStatus`, with what the registry says about it. */
export async function refused(response: GuardedResponse): Promise<Attempt<never>> {
  const { url, status } = response;
  const where = withoutQuery(url);
  const said = await registryMessage(response);
  const found = `HTTP status ${status}${said === "" ? "" : `, ${said}`}`;
  if (status === 413)
    throw new KelpieError("limit-exceeded", "The registry takes nothing that large", { found, where });
  try {
    const outcome = refusedStatus(where, response);
    if (outcome.kind === "done") return outcome;
    return {
      ...outcome,
      error: new KelpieError(outcome.error.code, outcome.error.summary, { found, where }),
    };
  } catch (error) {
    if (!KelpieError.is(error)) throw error;
    const summary =
      error.code === "unsupported" ? "The registry answered in a way that is not expected" : error.summary;
    throw new KelpieError(error.code, summary, { found, where });
  }
}

async function registryMessage(response: GuardedResponse): Promise<string> {
  try {
    const bytes = await collect(response.body, maxErrorBytes);
    const { errors } = errorBody.parse(JSON.parse(new TextDecoder().decode(bytes)));
    const text = errors
      .map(({ code, message }) => (message === undefined ? code : `${code}: ${message}`))
      .join("; ");
    return text.replace(/[^\x20-\x7e]/g, "?").slice(0, 300);
  } catch {
    // Not every server explains itself.
    return "";
  }
}

function denied(url: URL): KelpieError {
  return new KelpieError("permission-denied", "The registry refuses what we logged in with", {
    where: url.origin + url.pathname,
  });
}

/** Queries of storage services carry signatures, which are secrets for a while. */
function withoutQuery(url: string): string {
  return url.split("?")[0] ?? url;
}
