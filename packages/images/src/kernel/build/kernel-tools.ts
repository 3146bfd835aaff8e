// The host's programs that compile a kernel: named with the command that installs them where one is missing.

import { createHash } from "node:crypto";
import { type Architecture, KelpieError, type Platform } from "@kelpie/platform";
import type { KernelCompiler } from "./ingredients.ts";

/** A compiler and all that the kernel's build runs beside it, found on this machine. */
export interface KernelTools {
  /** What stands before `gcc` and `ld`: "" or "aarch64-linux-gnu-". */
  readonly crossPrefix: string;
  readonly compiler: KernelCompiler;
}

/** A program and the Debian package that has it. */
type Tool = readonly [program: string, debianPackage: string];

const machines: Readonly<Record<Architecture, { readonly triplet: string; readonly gccPackage: string }>> = {
  amd64: { triplet: "x86_64-linux-gnu", gccPackage: "gcc-x86-64-linux-gnu" },
  arm64: { triplet: "aarch64-linux-gnu", gccPackage: "gcc-aarch64-linux-gnu" },
};

const always: readonly Tool[] = [
  ["gcc", "gcc"],
  ["make", "make"],
  ["flex", "flex"],
  ["bison", "bison"],
  ["bc", "bc"],
  ["perl", "perl"],
  ["tar", "tar"],
  ["xz", "xz-utils"],
];
/** A bzImage is compressed by zstd, and objtool, which rewrites amd64's code, needs libelf. */
const forAmd64: readonly Tool[] = [["zstd", "zstd"]];
const elfHeaders = { package: "libelf-dev", probe: "#include <libelf.h>\n" };
const maxAnswerBytes = 64 << 10;

/**
 * Finds what compiles a kernel for `architecture`.
 *
 * @throws KelpieError `missing-tool` with the command that installs all that is missing; `unsupported` on other systems than
 * Linux.
 */
export async function findKernelTools(
  { processes, host }: Pick<Platform, "processes" | "host">,
  architecture: Architecture,
  signal?: AbortSignal,
): Promise<KernelTools> {
  if (host.operatingSystem !== "linux") {
    throw new KelpieError("unsupported", "A kernel is compiled on Linux only", {
      found: host.operatingSystem,
      help: "Build the image on Linux, push it, and pull it here.",
    });
  }
  const { triplet, gccPackage } = machines[architecture];
  const crossPrefix = architecture === host.architecture ? "" : `${triplet}-`;
  const tools: Tool[] = [
    ...always,
    ...(architecture === "amd64" ? forAmd64 : []),
    [`${crossPrefix}gcc`, crossPrefix === "" ? "gcc" : gccPackage],
    [`${crossPrefix}ld`, crossPrefix === "" ? "binutils" : gccPackage],
  ];
  const missing: Tool[] = [];
  for (const tool of tools) if ((await processes.find(tool[0])) === undefined) missing.push(tool);
  const limits = { maxOutputBytes: maxAnswerBytes, ...(signal === undefined ? {} : { signal }) };
  if (missing.length === 0 && architecture === "amd64") {
    const input = new TextEncoder().encode(elfHeaders.probe);
    const { exit } = await processes.run("gcc", ["-E", "-x", "c", "-"], { ...limits, input });
    if (exit.kind !== "exited" || exit.code !== 0) missing.push(["libelf.h", elfHeaders.package]);
  }
  if (missing.length > 0) throw missingTools(architecture, missing);
  const say = async (program: string, ...args: string[]): Promise<string> =>
    new TextDecoder().decode((await processes.run(program, args, limits)).stdout);
  const version = await say(`${crossPrefix}gcc`, "--version");
  const words = [
    version,
    await say(`${crossPrefix}gcc`, "-dumpmachine"),
    await say(`${crossPrefix}as`, "--version"),
    await say(`${crossPrefix}ld`, "--version"),
  ];
  return {
    crossPrefix,
    compiler: {
      name: (version.split("\n")[0] ?? "").trim(),
      identity: `sha256:${createHash("sha256").update(words.join("\0")).digest("hex")}`,
    },
  };
}

function missingTools(architecture: Architecture, missing: readonly Tool[]): KelpieError {
  const packages = [...new Set(missing.map(([, name]) => name))];
  return new KelpieError("missing-tool", `A kernel for ${architecture} cannot be compiled here`, {
    found: `without ${[...new Set(missing.map(([program]) => program))].join(", ")}`,
    help: `Install what is missing; on Debian and Ubuntu:\nsudo apt-get install --no-install-recommends ${packages.join(" ")}`,
  });
}
