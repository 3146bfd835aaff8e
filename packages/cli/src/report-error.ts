// The one place that turns a failure into words for a person, or JSON for a program.

import { exitCodes, KelpieError, type Terminal } from "@kelpie/platform";

/**
 * Prints what failed and the way out.
 *
 * @returns the exit code for it.
 */
export function reportError(terminal: Terminal, error: unknown, json: boolean): number {
  const known = KelpieError.is(error) ? error : undefined;
  const code = known === undefined ? exitCodes.internal : exitCodes[known.code];
  if (json) {
    terminal.stdout.write(
      `${JSON.stringify({ error: known ?? { code: "internal", message: String(error) } }, undefined, 2)}\n`,
    );
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
