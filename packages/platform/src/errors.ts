// The one error class of Kelpie. It says what failed, what was expected, what was found and the way out.

/**
 * What kind of failure it is. Programs branch on this; people read the message.
 *
 * The set is closed: a new code needs a line in {@link exitCodes} before it compiles.
 */
export type KelpieErrorCode =
  | "usage" // the command line, an option or an argument is wrong
  | "invalid-input" // a spec, a name or a value given by a person is wrong
  | "malformed" // bytes do not follow their format
  | "limit-exceeded" // an input is larger than its stated bound
  | "digest-mismatch" // content is not what its digest says
  | "signature-invalid" // a signature does not verify
  | "untrusted-key" // a signature verifies, or cannot be tried, by a key that is not trusted
  | "unsafe-path" // a path leads outside the place it was meant for
  | "unresolvable" // no set of packages satisfies the request
  | "not-found"
  | "already-exists"
  | "in-use" // another process or sandbox holds it
  | "permission-denied"
  | "read-only"
  | "disk-full"
  | "unreachable" // a host, mirror or socket does not answer
  | "unsupported" // understood, and not possible here
  | "missing-tool" // a program that is needed is not installed
  | "process-failed" // a child process ended badly
  | "boot-failed" // a guest did not become ready
  | "guest-lost" // the connection to a guest ended
  | "guest-refused" // the agent understood the request and refused it
  | "timeout"
  | "cancelled"
  | "internal"; // a defect in Kelpie

/** The exit code of the `kelpie` command for each error code. `kelpie run` uses 125 for all but usage. */
export const exitCodes: Readonly<Record<KelpieErrorCode, number>> = {
  usage: 2,
  "invalid-input": 1,
  malformed: 1,
  "limit-exceeded": 1,
  "digest-mismatch": 1,
  "signature-invalid": 1,
  "untrusted-key": 1,
  "unsafe-path": 1,
  unresolvable: 1,
  "not-found": 1,
  "already-exists": 1,
  "in-use": 1,
  "permission-denied": 1,
  "read-only": 1,
  "disk-full": 1,
  unreachable: 1,
  unsupported: 1,
  "missing-tool": 1,
  "process-failed": 1,
  "boot-failed": 1,
  "guest-lost": 1,
  "guest-refused": 1,
  timeout: 124,
  cancelled: 130,
  internal: 70,
};

/** The parts of a {@link KelpieError} beside its code and message. All are for people, in whole words. */
export interface KelpieErrorDetails {
  /** What would have been right. */
  readonly expected?: string;
  /** What was there instead. */
  readonly found?: string;
  /** Where: a file with offset or line, a URL, a package. */
  readonly where?: string;
  /** What to do about it: a sentence or a command. */
  readonly help?: string;
  /** The error underneath, if there is one. */
  readonly cause?: unknown;
}

/**
 * A failure that Kelpie foresaw.
 *
 * @example
 * throw new KelpieError("malformed", "Cannot read the ext4 superblock", {
 *   expected: "magic 0xEF53", found: "0x0000", where: "rootfs.ext4, byte 1080",
 * });
 */
export class KelpieError extends Error {
  override readonly name = "KelpieError";
  readonly code: KelpieErrorCode;
  /** The bare statement of what failed, without expected, found and where. */
  readonly summary: string;
  readonly expected: string | undefined;
  readonly found: string | undefined;
  readonly where: string | undefined;
  readonly help: string | undefined;

  constructor(code: KelpieErrorCode, summary: string, details: KelpieErrorDetails = {}) {
    super(sentence(summary, details), details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.summary = summary;
    this.expected = details.expected;
    this.found = details.found;
    this.where = details.where;
    this.help = details.help;
  }

  /** True for any KelpieError, one of another copy of this module included. */
  static is(value: unknown): value is KelpieError {
    return value instanceof Error && value.name === "KelpieError" && "code" in value && "summary" in value;
  }

  /** The shape printed under `--json`. */
  toJSON(): Record<string, unknown> {
    const cause = this.cause instanceof Error ? this.cause.message : undefined;
    const { code, summary: message, expected, found, where, help } = this;
    return { code, message, expected, found, where, help, cause };
  }
}

function sentence(summary: string, { expected, found, where }: KelpieErrorDetails): string {
  const comparison = [
    expected === undefined ? undefined : `expected ${expected}`,
    found === undefined ? undefined : `found ${found}`,
  ].filter((part) => part !== undefined);
  return `${summary}${where === undefined ? "" : ` (${where})`}${comparison.length === 0 ? "" : `: ${comparison.join(", ")}`}`;
}

/** The text of anything thrown, for a message to a person. */
export function describeError(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
