// KELPIE_HOME before a command uses it, and in the words of one that could not.

import { describeError, type Files, KelpieError, type KelpieErrorCode } from "@kelpie/platform";

/** @throws KelpieError `invalid-input` where KELPIE_HOME is there and is no directory. One that is not there yet is made when it is needed. */
export async function requireUsableHome(files: Files, home: string): Promise<void> {
  const status = await files.stat(home).catch((cause: unknown) => {
    throw new KelpieError("invalid-input", `KELPIE_HOME cannot be used: ${describeError(cause)}`, {
      help: anotherHome,
      cause,
    });
  });
  if (status === undefined || status.kind === "directory") return;
  throw new KelpieError("invalid-input", `KELPIE_HOME is no directory (${home})`, {
    expected: "a directory, or a path where one can be made",
    found: `a ${status.kind}`,
    help: anotherHome,
  });
}

const anotherHome = "Set KELPIE_HOME to a directory that you can write.";
const refusals: ReadonlySet<KelpieErrorCode> = new Set(["not-found", "permission-denied", "read-only"]);

/** Says of a directory or file that could not be made in KELPIE_HOME that it can be set to another. */
export function withHomeHelp(error: unknown, home: string): unknown {
  if (!KelpieError.is(error) || error.help !== undefined || !refusals.has(error.code)) return error;
  if (!/^Cannot (?:create|write|open|make)/.test(error.summary) || !error.summary.includes(home))
    return error;
  const { code, summary, expected, found, where, cause } = error;
  return new KelpieError(code, summary, {
    ...(expected === undefined ? {} : { expected }),
    ...(found === undefined ? {} : { found }),
    ...(where === undefined ? {} : { where }),
    help: anotherHome,
    cause,
  });
}
