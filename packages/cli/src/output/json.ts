// JSON for programs.

import type { Terminal } from "@kelpie/platform";

/** A value of the type T, which a command's schema describes, as text; on one line where others may follow. */
export function jsonText<T = never>(value: NoInfer<T>, form: "pretty" | "line" = "pretty"): string {
  return `${JSON.stringify(value, undefined, form === "line" ? undefined : 2)}\n`;
}

/** Prints what {@link jsonText} gives. */
export function printJson<T = never>({ stdout }: Pick<Terminal, "stdout">, value: NoInfer<T>): void {
  stdout.write(jsonText<T>(value));
}
