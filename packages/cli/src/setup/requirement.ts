// Programs of the system that Kelpie uses, and in which package each package manager has them.

import type { Architecture } from "@kelpie/platform";

/** Package managers that set-up can drive. */
export type PackageManager = "apt-get" | "dnf" | "pacman" | "apk" | "brew";

export interface Requirement {
  /** A program whose presence on PATH shows that the requirement is met. */
  readonly program: string;
  /** A file that must exist too, for packages without a program of their own. */
  readonly file?: string;
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

const nativeLinker: Requirement = {
  program: "gcc",
  file: "/usr/include/stdio.h",
  why: "links the programs that run inside the VM",
  packages: {
    "apt-get": ["gcc", "libc6-dev"],
    dnf: ["gcc", "glibc-static"],
    pacman: ["gcc"],
    apk: ["gcc", "musl-dev"],
  },
};

const crossLinkers: Readonly<Record<Architecture, Requirement>> = {
  amd64: {
    program: "x86_64-linux-gnu-gcc",
    why: "links the programs that run inside amd64 VMs",
    packages: { "apt-get": ["gcc-x86-64-linux-gnu", "libc6-dev-amd64-cross"] },
  },
  arm64: {
    program: "aarch64-linux-gnu-gcc",
    why: "links the programs that run inside arm64 VMs",
    packages: { "apt-get": ["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"] },
  },
};

/** What building images of these architectures needs on a host of architecture `host`. */
export function linkersFor(
  architectures: readonly Architecture[],
  host: Architecture | undefined,
): Requirement[] {
  return [
    nativeLinker,
    ...architectures
      .filter((architecture) => architecture !== host)
      .map((architecture) => crossLinkers[architecture]),
  ];
}

/** What running images of these architectures needs. */
export function emulatorsFor(architectures: readonly Architecture[]): Requirement[] {
  return architectures.map((architecture) => emulators[architecture]);
}
