// Programs of the system that Kelpie uses, and in which package each package manager has them.

import type { Architecture } from "@kelpie/platform";

/** Package managers that set-up can drive. */
export type PackageManager = "apt-get" | "dnf" | "pacman" | "apk" | "brew";

export interface Requirement {
  /** A program whose presence on PATH shows that the requirement is met. */
  readonly program: string;
  readonly why: string;
  readonly packages: Readonly<Partial<Record<PackageManager, readonly string[]>>>;
}

const emulators: Readonly<Record<Architecture, Requirement>> = {
  amd64: {
    program: "qemu-system-x86_64",
    why: "runs amd64 virtual machines",
    packages: {
      "apt-get": ["qemu-system-x86"],
      dnf: ["qemu-system-x86-core"],
      pacman: ["qemu-system-x86"],
      apk: ["qemu-system-x86_64"],
      brew: ["qemu"],
    },
  },
  arm64: {
    program: "qemu-system-aarch64",
    why: "runs arm64 virtual machines",
    packages: {
      "apt-get": ["qemu-system-arm"],
      dnf: ["qemu-system-aarch64-core"],
      pacman: ["qemu-system-aarch64"],
      apk: ["qemu-system-aarch64"],
      brew: ["qemu"],
    },
  },
};

/** What running images of these architectures needs. */
export function emulatorsFor(architectures: readonly Architecture[]): Requirement[] {
  return architectures.map((architecture) => emulators[architecture]);
}
