// The one place that turns a failure into words for a person, or JSON for a program.

import { describeError, errorCodes, KelpieError, type Terminal } from "@kelpie/platform";
import type { ErrorJson } from "./json/error.ts";
import { printJson } from "./output/json.ts";

/** A failure for programs. */
export function errorJson(error: unknown): ErrorJson["error"] {
  return KelpieError.is(error) ? error.toJSON() : { code: "internal", message: describeError(error) };
}

export function exitCodeOf(error: unknown): number {
  return errorCodes[KelpieError.is(error) ? error.code : "internal"].exitCode;
}

/**
 * Prints what failed and the way out.
 *
 * @returns the exit code for it.
 */
export function reportError(terminal: Terminal, error: unknown, json: boolean): number {
  const known = KelpieError.is(error) ? error : undefined;
  const code = exitCodeOf(error);
  if (json) {
    printJson<ErrorJson>(terminal, { error: errorJson(error) });
    return code;
  }
  if (known === undefined) {
    const stack = error instanceof Error ? error.stack : String(error);
    terminal.stderr.write(`kelpie: this is a defect in Kelpie, please report it:\n${stack ?? ""}\n`);
    return code;
  }
  terminal.stderr.write(`kelpie: ${known.message}\n`);
  for (let cause = known.cause; KelpieError.is(cause); cause = cause.cause) {
    terminal.stderr.write(`  because: ${cause.message}\n`);
    if (cause.help !== undefined && known.help === undefined) terminal.stderr.write(`  ${cause.help}\n`);
  }
  if (known.help !== undefined) terminal.stderr.write(`  ${known.help.replaceAll("\n", "\n  ")}\n`);
  return code;
}
