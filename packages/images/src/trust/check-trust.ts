// Holds what comes from elsewhere against the trust policy: it is let in by a rule that says so, or refused by one that is
// named.

import { createHash } from "node:crypto";
import { describeError, KelpieError, type Platform } from "@kelpie/platform";
import { parseEnvelope, parsePublicKey, trustedKey, type TrustedKey, verifiedKeys } from "./dsse.ts";
import { Keyring } from "./keys.ts";
import {
  type Identity,
  loadTrustPolicy,
  matchesIdentity,
  ruleFor,
  type TrustPolicy,
  type TrustRule,
} from "./policy.ts";
import { readTrustedRoot, verifyBundle } from "./sigstore.ts";
import { statementPayloadType, vouchesFor } from "./statement.ts";

/** One signature as it was found. */
export interface FoundSignature {
  readonly kind: "envelope" | "bundle";
  readonly bytes: Uint8Array;
  readonly where: string;
}

/** By what something was let in. */
export type TrustVerdict =
  /** There is no policy. */
  | { readonly kind: "no-policy" }
  | { readonly kind: "unsigned-allowed"; readonly rule: string }
  | { readonly kind: "signed"; readonly rule: string; readonly by: string };

export type OnTrust = (verdict: TrustVerdict) => void;

export interface TrustQuestion {
  readonly platform: Platform;
  /** KELPIE_HOME. */
  readonly home: string;
  /** Where it comes from: `ghcr.io/your-org/kelpie-base`, a URL, a directory. */
  readonly place: string;
  /** What is signed: a manifest, a list of checksums. */
  readonly content: Uint8Array;
  /** The signatures that stand beside it. Asked for only where a rule wants one. */
  readonly signatures: () => Promise<readonly FoundSignature[]>;
}

/**
 * Whether the trust policy lets this in. Without a policy everything is, and the verdict says so.
 *
 * @throws KelpieError `untrusted-key`, saying which rule refuses and what was found; `invalid-input` for a policy that
 * cannot be read.
 */
export async function checkTrust(question: TrustQuestion): Promise<TrustVerdict> {
  const { platform, home, place } = question;
  const policy = await loadTrustPolicy(platform, home);
  if (policy === undefined) return { kind: "no-policy" };
  const rule = ruleFor(policy, place);
  if (rule === undefined) {
    throw new KelpieError("untrusted-key", `No rule of the trust policy is for ${place}`, {
      where: policy.path,
      help: 'Add a rule `for` it, or one `for: "*"`.',
    });
  }
  const { demand, text } = rule;
  if (demand.kind === "allow-unsigned") return { kind: "unsigned-allowed", rule: text };
  const keys = await Promise.all(demand.keys.map((name) => keyOf(platform, home, name)));
  const refusals: string[] = [];
  for (const signature of await question.signatures()) {
    const result = await judge(question, policy, keys, demand.identities, signature);
    if (result.kind === "good") return { kind: "signed", rule: text, by: result.by };
    refusals.push(result.reason);
  }
  throw refused(policy, rule, place, refusals);
}

type Judgement =
  | { readonly kind: "good"; readonly by: string }
  | { readonly kind: "bad"; readonly reason: string };

/** A bad signature beside a good one harms nobody: anybody who can push can add one. */
async function judge(
  question: TrustQuestion,
  policy: TrustPolicy,
  keys: readonly NamedKey[],
  identities: readonly Identity[],
  { kind, bytes, where }: FoundSignature,
): Promise<Judgement> {
  try {
    return kind === "envelope"
      ? judgeEnvelope(question, keys, bytes, where)
      : await judgeBundle(question, policy, identities, bytes, where);
  } catch (error) {
    if (!KelpieError.is(error)) throw error;
    return { kind: "bad", reason: error.message };
  }
}

function judgeEnvelope(
  { content }: TrustQuestion,
  keys: readonly NamedKey[],
  bytes: Uint8Array,
  where: string,
): Judgement {
  const envelope = parseEnvelope(bytes, where);
  const signers = verifiedKeys(envelope, keys);
  const [signer] = keys.filter((key) => signers.includes(key));
  if (signer === undefined) {
    const ids = envelope.signatures.map(({ keyid }) => keyid ?? "an unnamed key");
    return {
      kind: "bad",
      reason: `a signature by ${ids.join(", ")}, which is none that the rule names or not valid`,
    };
  }
  const payload = Buffer.from(envelope.payload, "base64");
  if (envelope.payloadType !== statementPayloadType || !vouchesFor(payload, sha256Of(content), where))
    return { kind: "bad", reason: `a signature by ${signer.name} of something else` };
  return { kind: "good", by: `${signer.name} (${signer.id})` };
}

async function judgeBundle(
  { platform, content }: TrustQuestion,
  { trustedRoot, path }: TrustPolicy,
  identities: readonly Identity[],
  bundle: Uint8Array,
  where: string,
): Promise<Judgement> {
  if (identities.length === 0) return { kind: "bad", reason: "a sigstore bundle, while the rule names keys" };
  if (trustedRoot === undefined) {
    throw new KelpieError("invalid-input", "The trust policy names identities and no trusted root", {
      expected: "trusted-root: the path of sigstore's trusted_root.json",
      where: path,
    });
  }
  const root = await readTrustedRoot(platform.files, trustedRoot);
  const found = await verifyBundle({ bundle, content, sha256: sha256Of(content), where }, root);
  const by = `${found.subject} (${found.issuer})`;
  return identities.some((wanted) => matchesIdentity(wanted, found))
    ? { kind: "good", by }
    : { kind: "bad", reason: `a signature by ${by}` };
}

function refused(
  { path }: TrustPolicy,
  { text, demand }: TrustRule,
  place: string,
  refusals: readonly string[],
): KelpieError {
  const wanted =
    demand.kind === "signed"
      ? [...demand.keys, ...demand.identities.map(({ subject, issuer }) => `${subject} (${issuer})`)]
      : [];
  return new KelpieError("untrusted-key", `The trust policy refuses what comes from ${place}`, {
    expected: `a signature by ${wanted.join(" or ")}, by ${text}`,
    found: refusals.length === 0 ? "no signature" : refusals.slice(0, 8).join("; "),
    where: path,
  });
}

interface NamedKey extends TrustedKey {
  readonly name: string;
}

/** A key as a policy names it: by its id, or its name in the keyring, or as PEM. */
async function keyOf(platform: Platform, home: string, name: string): Promise<NamedKey> {
  if (name.includes("-----BEGIN PUBLIC KEY-----"))
    return { ...trustedKey(parsePublicKey(name, "the trust policy")), name: "the policy's key" };
  const keyring = new Keyring(platform, home);
  try {
    if (!name.startsWith("sha256:")) return await keyring.get(name);
    const found = (await keyring.list()).find(({ id }) => id === name);
    if (found !== undefined) return found;
  } catch (cause) {
    throw new KelpieError("untrusted-key", `The trust policy names the key ${name}, which cannot be used`, {
      found: describeError(cause),
      cause,
    });
  }
  throw new KelpieError(
    "untrusted-key",
    `The trust policy names the key ${name}, which is not in the keyring`,
    {
      help: "Import it by `kelpie keys import NAME FILE`.",
    },
  );
}

function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
