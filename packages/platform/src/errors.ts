// The one error class of Kelpie. It says what failed, what was expected, what was found and the way out.

/**
 * What kinds of failure there are, each with the exit code of the `kelpie` command. `kelpie run` uses 125 for all but usage.
 */
export const errorCodes = {
  usage: { exitCode: 2, meaning: "the command line, an option or an argument is wrong" },
  "invalid-input": { exitCode: 1, meaning: "a spec, a name or a value given by a person is wrong" },
  malformed: { exitCode: 1, meaning: "bytes do not follow their format" },
  "limit-exceeded": { exitCode: 1, meaning: "an input is larger than its stated bound" },
  "digest-mismatch": { exitCode: 1, meaning: "content is not what its digest says" },
  "signature-invalid": { exitCode: 1, meaning: "a signature does not verify" },
  "untrusted-key": {
    exitCode: 1,
    meaning: "a signature verifies, or cannot be tried, by a key that is not trusted",
  },
  "unsafe-path": { exitCode: 1, meaning: "a path leads outside the place it was meant for" },
  unresolvable: { exitCode: 1, meaning: "no set of packages satisfies the request" },
  "not-found": { exitCode: 1, meaning: "what was named is not there" },
  "already-exists": { exitCode: 1, meaning: "what was to be made is there already" },
  "in-use": { exitCode: 1, meaning: "another process or sandbox holds it" },
  "permission-denied": { exitCode: 1, meaning: "the operating system, or a registry, does not allow it" },
  "read-only": { exitCode: 1, meaning: "it is on a file system that is not written" },
  "disk-full": { exitCode: 1, meaning: "there is no room for it" },
  unreachable: { exitCode: 1, meaning: "a host, mirror or socket does not answer" },
  unsupported: { exitCode: 1, meaning: "understood, and not possible here" },
  "missing-tool": { exitCode: 1, meaning: "a program that is needed is not installed" },
  "process-failed": { exitCode: 1, meaning: "a child process ended badly" },
  "boot-failed": { exitCode: 1, meaning: "a guest did not become ready" },
  "guest-lost": { exitCode: 1, meaning: "the connection to a guest ended" },
  "guest-refused": { exitCode: 1, meaning: "the agent understood the request and refused it" },
  timeout: { exitCode: 124, meaning: "it took longer than it was given" },
  cancelled: { exitCode: 130, meaning: "it was ended by Ctrl-C, or by its caller" },
  internal: { exitCode: 70, meaning: "a defect in Kelpie" },
} as const;

/** What kind of failure it is. Programs branch on this; people read the message. */
export type KelpieErrorCode = keyof typeof errorCodes;

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

/** A {@link KelpieError} in JSON. */
export interface KelpieErrorJson {
  readonly code: KelpieErrorCode;
  /** What failed, without expected, found and where. */
  readonly message: string;
  readonly expected: string | undefined;
  readonly found: string | undefined;
  readonly where: string | undefined;
  readonly help: string | undefined;
  /** The message of the error underneath. */
  readonly cause: string | undefined;
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
  toJSON(): KelpieErrorJson {
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
