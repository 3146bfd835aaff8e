// KELPIE_HOME/trust-policy.yaml: whose images are let in, by where they come from.

import { isAbsolute, join } from "node:path";
import { type Platform, readTextIfPresent } from "@kelpie/platform";
import { z } from "zod";
import { parseCheckedYaml } from "../spec/checked-yaml.ts";

const maxPolicyBytes = 1 << 20;

const identity = z.strictObject({
  issuer: z.string().min(1).max(2048).describe("The OpenID issuer in the signing certificate"),
  subject: z.string().min(1).max(2048).describe("The certificate's name; * stands for any text"),
});

const scope = z.string().min(1).max(2048).describe("A registry, a repository, a URL, a directory, or *");

const rule = z
  .strictObject({
    for: scope,
    required: z
      .strictObject({
        keys: z.array(z.string().min(1).max(200)).min(1).max(64).optional(),
        identities: z.array(identity).min(1).max(64).optional(),
      })
      .refine(
        ({ keys, identities }) => keys !== undefined || identities !== undefined,
        "needs keys or identities",
      )
      .optional()
      .describe("Any one of these must have signed"),
    "allow-unsigned": z.literal(true).optional(),
  })
  .refine((each) => (each.required === undefined) !== (each["allow-unsigned"] === undefined), {
    error: "needs either `required` or `allow-unsigned: true`",
    // A misspelt key says more than the one that is missing for it.
    when: ({ issues }) => issues.length === 0,
  });

const policySchema = z.strictObject({
  "trusted-root": z.string().min(1).max(4096).optional().describe("sigstore's trusted_root.json"),
  rules: z.array(rule).max(1000),
});

/** Who may sign. */
export interface Identity {
  readonly issuer: string;
  readonly subject: string;
}

/** What one rule asks for. */
export interface TrustRule {
  /** What it stands for, and its place in the list, for messages. */
  readonly text: string;
  readonly scope: string;
  readonly demand:
    | { readonly kind: "allow-unsigned" }
    | { readonly kind: "signed"; readonly keys: readonly string[]; readonly identities: readonly Identity[] };
}

export interface TrustPolicy {
  readonly path: string;
  /** Where sigstore's trusted root stands. */
  readonly trustedRoot: string | undefined;
  readonly rules: readonly TrustRule[];
}

/** The policy of a KELPIE_HOME; undefined where there is none. @throws KelpieError `invalid-input` with line and column. */
export async function loadTrustPolicy(
  { files }: Pick<Platform, "files">,
  home: string,
): Promise<TrustPolicy | undefined> {
  const path = join(home, "trust-policy.yaml");
  const text = await readTextIfPresent(files, path, maxPolicyBytes);
  return text === undefined ? undefined : parseTrustPolicy(text, path, home);
}

/** @throws KelpieError `invalid-input` with line and column. */
export function parseTrustPolicy(text: string, path: string, home: string): TrustPolicy {
  const { rules, "trusted-root": root } = parseCheckedYaml(policySchema, text, "trust policy", path);
  return {
    path,
    trustedRoot: root === undefined || isAbsolute(root) ? root : join(home, root),
    rules: rules.map((each, index): TrustRule => {
      const text = `rule ${index + 1}, for ${each.for}`;
      if (each.required === undefined) return { text, scope: each.for, demand: { kind: "allow-unsigned" } };
      const { keys = [], identities = [] } = each.required;
      return { text, scope: each.for, demand: { kind: "signed", keys, identities } };
    }),
  };
}

/**
 * The most specific rule for a place: `ghcr.io/your-org/kelpie-base`, `https://…`, `/a/directory`. A scope covers itself and
 * everything below it; of equal scopes the first counts.
 */
export function ruleFor({ rules }: TrustPolicy, place: string): TrustRule | undefined {
  return rules
    .filter(({ scope }) => covers(scope, place))
    .toSorted((a, b) => specificity(b.scope) - specificity(a.scope))[0];
}

function covers(scope: string, place: string): boolean {
  if (scope === "*") return true;
  const base = scope.replace(/\/+$/, "");
  return place === base || place.startsWith(`${base}/`);
}

function specificity(scope: string): number {
  return scope === "*" ? 0 : scope.replace(/\/+$/, "").length;
}

/** Whether a signer is the one that a policy names. `*` stands for any text, also for none. */
export function matchesIdentity(wanted: Identity, found: Identity): boolean {
  const parts = wanted.subject.split("*").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return found.issuer === wanted.issuer && new RegExp(`^${parts.join(".*")}$`, "s").test(found.subject);
}
