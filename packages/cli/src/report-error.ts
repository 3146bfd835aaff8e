// The one place that turns a failure into words for a person, or JSON for a program.

import { describeError, errorCodes, KelpieError, printable, type Terminal } from "@kelpie/platform";
import type { ErrorJson } from "./json/error.ts";
import { printJson } from "./output/json.ts";

/** A failure for programs. */
export function errorJson(error: unknown): ErrorJson["error"] {
  return KelpieError.is(error) ? error.toJSON() : { code: "internal", message: describeError(error) };
}

export function exitCodeOf(error: unknown): number {
  return errorCodes[KelpieError.is(error) ? error.code : "internal"].exitCode;
}

/** What failed, because of what, and the way out. */
function errorText(error: KelpieError): string {
  const lines = [`kelpie: ${error.message}`];
  for (let cause = error.cause; KelpieError.is(cause); cause = cause.cause) {
    lines.push(`  because: ${cause.message}`);
    if (cause.help !== undefined && error.help === undefined) lines.push(indented(cause.help));
  }
  if (error.help !== undefined) lines.push(indented(error.help));
  return lines.map((line) => `${line}\n`).join("");
}

function indented(text: string): string {
  return `  ${text.replaceAll("\n", "\n  ")}`;
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
  // What a guest, a registry or a file has said may stand in any part of it.
  terminal.stderr.write(printable(errorText(known)));
  return code;
}
