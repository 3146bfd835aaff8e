// JSON for programs.

import type { Terminal } from "@kelpie/platform";

/** What JSON may hold raw and a terminal acts on, or shows in another order: C1 controls and changes of direction. */
const unsafeRaw = /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

/** A value of the type T, which a command's schema describes, as text; on one line where others may follow. */
export function jsonText<T = never>(value: NoInfer<T>, form: "pretty" | "line" = "pretty"): string {
  const text = JSON.stringify(value, undefined, form === "line" ? undefined : 2);
  return `${text.replace(unsafeRaw, escaped)}\n`;
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** Prints what {@link jsonText} gives. */
export function printJson<T = never>({ stdout }: Pick<Terminal, "stdout">, value: NoInfer<T>): void {
  stdout.write(jsonText<T>(value));
}
