// One option of QEMU's command line.

/** An option of QEMU with its value, if it takes one. */
export type QemuOption = readonly [name: string, value?: string];

/** Options as the arguments of a process. */
export function flatten(options: readonly QemuOption[]): string[] {
  return options.flatMap(([name, value]) => (value === undefined ? [name] : [name, value]));
}
