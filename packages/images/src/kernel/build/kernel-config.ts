// A kernel's configuration as its build reads and writes it (Documentation/kbuild/kconfig-language.rst): text to options and
// what of one is not in force in another.

import { KelpieError } from "@kelpie/platform";

/** Options by name without `CONFIG_`, with the text of their value: "y", "64", "\"-kelpie\""; "n" where one is not set. */
export type KernelOptions = ReadonlyMap<string, string>;

/** An option that was asked for and is not as it should be. */
export interface UnmetOption {
  readonly name: string;
  readonly wanted: string;
  /** "n" also where the kernel knows no such option. */
  readonly found: string;
}

/** Larger texts are no configuration. */
export const maxConfigBytes = 2 << 20;

const setOption = /^CONFIG_(\w{1,100})=(\S.{0,4000})$/;
const unsetOption = /^# CONFIG_(\w{1,100}) is not set$/;

/**
 * Reads a configuration or a fragment of one; of an option that stands twice the last line counts, as for the kernel.
 *
 * @throws KelpieError `malformed` naming the line.
 */
export function parseKernelConfig(text: string, where: string): KernelOptions {
  const options = new Map<string, string>();
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.trimEnd();
    const [, unset] = unsetOption.exec(line) ?? [];
    const [, name, value] = setOption.exec(line) ?? [];
    if (unset !== undefined) options.set(unset, "n");
    else if (name !== undefined && value !== undefined) options.set(name, value);
    else if (line !== "" && !line.startsWith("#")) {
      throw new KelpieError("malformed", "A line is none of a kernel's configuration", {
        expected: "CONFIG_NAME=value or # CONFIG_NAME is not set",
        found: JSON.stringify(line.slice(0, 100)),
        where: `${where}:${index + 1}`,
      });
    }
  }
  return options;
}

/** What of `wanted` is otherwise in `found`: an option that is not there counts as not set. */
export function unmetOptions(wanted: KernelOptions, found: KernelOptions): readonly UnmetOption[] {
  return [...wanted].flatMap(([name, value]) => {
    const other = found.get(name) ?? "n";
    return other === value ? [] : [{ name, wanted: value, found: other }];
  });
}

/** An option as a line of a configuration. */
export function optionText(name: string, value: string): string {
  return value === "n" ? `# CONFIG_${name} is not set` : `CONFIG_${name}=${value}`;
}
