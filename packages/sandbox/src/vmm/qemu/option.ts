// One option of QEMU's command line.

/** An option of QEMU with its value, if it takes one. */
export type QemuOption = readonly [name: string, value?: string];

/** QEMU splits an option's value at commas; a doubled comma is one that belongs to it. */
export function escaped(value: string): string {
  return value.replaceAll(",", ",,");
}

/** Options as the arguments of a process. */
export function flatten(options: readonly QemuOption[]): string[] {
  return options.flatMap(([name, value]) => (value === undefined ? [name] : [name, value]));
}
