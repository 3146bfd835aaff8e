// The kernel's command line for a guest, as docs/boot-contract.md defines it.

import type { Architecture } from "@kelpie/platform";
import type { Accelerator } from "./qemu/accelerator.ts";

/** What the command line depends on. */
export interface CommandLineOptions {
  readonly architecture: Architecture;
  readonly accelerator: Accelerator;
  readonly hostname: string;
  readonly agentPorts: number;
  /** Whether the kernel finds the root by itself: it knows no labels, and the root is the first disk. */
  readonly withoutInitrd: boolean;
  /** The machine has nothing that switches it off (ACPI, PSCI): its monitor ends when the guest resets it. Default false. */
  readonly endsByReset?: boolean;
}

const consoleOf: Readonly<Record<Architecture, string>> = { amd64: "ttyS0", arm64: "ttyAMA0" };

/** The words of the command line, in their order. */
export function kernelCommandLine(options: CommandLineOptions): string[] {
  const { architecture, accelerator, hostname, agentPorts, withoutInitrd, endsByReset = false } = options;
  return [
    `console=${consoleOf[architecture]}`,
    // Warnings and worse still reach the console, so a panic is seen; each line costs an emulated guest about 0.3 ms.
    "quiet",
    ...(withoutInitrd ? ["root=/dev/vda", "rootfstype=ext4"] : ["root=LABEL=kelpie-root"]),
    "rw",
    "panic=-1",
    // The kernel's tests of its own ciphers take a sixth of an emulated boot.
    "cryptomgr.notests",
    ...(architecture === "amd64" && accelerator === "tcg" ? emulatedTimer : []),
    // Nothing is speculated where a processor is emulated: what the kernel does against it only costs, a fifth of each exec.
    // And a program at the same addresses each time is translated once, not at each start (docs/adr/0006).
    ...(accelerator === "tcg" ? ["mitigations=off", "norandmaps"] : []),
    `kelpie.hostname=${hostname}`,
    `kelpie.ports=${agentPorts}`,
    ...(endsByReset ? resetInsteadOfPowerOff : []),
  ];
}

// The keyboard controller's reset line is the one that such monitors have; PID 1 takes it where it was to power off.
const resetInsteadOfPowerOff = ["reboot=k", "kelpie.poweroff=reset"];

// Under emulation the timer check and the TSC's calibration count on timing that a busy host does not keep.
// Even so a boot on a busy host now and then takes the TSC for ten times slower than it is, and its clock runs ten times too
// fast for good: QEMU's own timer has a frequency that is not measured, and costs 0.8 µs more each time that it is read.
const emulatedTimer = ["no_timer_check", "tsc=reliable", "clocksource=acpi_pm"];
