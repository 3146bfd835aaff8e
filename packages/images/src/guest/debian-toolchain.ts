// Debian's Rust compiler, unpacked into the cache and run from there. Nothing is installed and nobody needs to be root: a
// compiler, linker and C library of one release, the same on every Linux, which is what lets two machines build the same bytes.

import { createHash } from "node:crypto";
import { join } from "node:path";
import { acquireFileLock, type Architecture, KelpieError, writeFileAtomic } from "@kelpie/platform";
import { type DebianRepository, openDebian, type ResolvedPackage } from "@kelpie/repositories";
import { z } from "zod";
import { cargoScript, linkerScript, rustcScript, type ToolPaths } from "./tool-scripts.ts";
import { type CargoCommand, machines, type Toolchain, type ToolchainOptions } from "./toolchain.ts";
import { unpackDeb } from "./unpack-deb.ts";

/** Debian gives the newest compiler of a stable release under this name, for the browsers that need it. */
const compilerPackages = ["rustc-web", "cargo-web", "libc6-dev", "libgcc-12-dev"];
const targetPackages = ["libstd-rust-web-dev", "libc6-dev", "libgcc-12-dev"];
const gccVersion = "12";
/** Dependencies for what we do not do: C and C++ compilers, headers, sanitizers. */
const needless = [
  ...["binutils", "gcc", "libc-dev-bin", "libcrypt-dev", "libnsl-dev", "libtirpc-dev", "linux-libc-dev"],
  ...[
    "rpcsvc-proto",
    "libasan8",
    "libatomic1",
    "libgomp1",
    "libitm1",
    "liblsan0",
    "libquadmath0",
    "libtsan2",
  ],
  "libubsan1",
];
/** Programs, libraries and objects; no manuals, headers or documentation tools. */
const wantedPath = /^(?:lib(?:64)?\/|usr\/lib\/|usr\/bin\/(?:cargo|rustc)$)/;
const discardText = "SECTIONS { /DISCARD/ : { *(.eh_frame) *(.gcc_except_table*) } } INSERT AFTER .text;\n";
/** Changes when the scripts do in a way that changes what is built. */
const recipe = "debian-2";
const maxRecordBytes = 1 << 20;

const packageRecord = z.strictObject({ name: z.string(), version: z.string(), digest: z.string() });
const rootRecord = z.strictObject({ packages: z.array(packageRecord).max(1000) });
type RootRecord = z.infer<typeof rootRecord>;

/** An unpacked root and what it was unpacked from. */
interface Root {
  readonly directory: string;
  readonly record: RootRecord;
}

/**
 * The compiler, downloaded and unpacked by the first who asks (135 MB, and 37 MB for a second architecture), then taken as it
 * is until the cache is cleared.
 *
 * @throws KelpieError `unsupported` on a machine that is neither amd64 nor arm64, `unreachable`, `disk-full`, and what
 * `openDebian` throws.
 */
export async function debianToolchain(options: ToolchainOptions): Promise<Toolchain> {
  const { platform, home, architecture, signal } = options;
  const host = platform.host.architecture;
  if (host === undefined)
    throw new KelpieError("unsupported", "The guest cannot be compiled on this machine's architecture");
  const directory = join(home, "cache", "toolchain");
  await platform.files.makeDirectory(directory);
  await using _lock = await acquireFileLock(platform, join(directory, ".lock"), {
    purpose: "unpacking the compiler",
    timeoutMs: 1_800_000,
    ...(signal === undefined ? {} : { signal }),
  });
  const roots = await openRoots(options, host, directory);
  const versions = [...roots.host.record.packages, ...roots.target.record.packages];
  const digest = createHash("sha256").update(JSON.stringify(versions)).digest("hex");
  const { version } = packageOf(roots.host.record, "rustc-web");
  return {
    compiler: `rustc ${version} (Debian)`,
    identity: `${recipe} ${digest}`,
    target: machines[architecture].glibcTarget,
    prepare: (work) => prepare(options, host, roots, work),
  };
}

interface Roots {
  readonly host: Root;
  readonly target: Root;
}

async function openRoots(options: ToolchainOptions, host: Architecture, directory: string): Promise<Roots> {
  const { architecture } = options;
  const hostRoot = await openRoot(options, join(directory, `debian-${host}`), host, (repository) => {
    const { packages } = repository.resolve(compilerPackages, { assume: needless });
    // The linker of the LLVM that the compiler has anyway.
    const llvm = llvmVersion(packages);
    return [...packages, repository.find(`lld-${llvm}`)];
  });
  if (architecture === host) return { host: hostRoot, target: hostRoot };
  // The libraries must be of the very compiler.
  const { version } = packageOf(hostRoot.record, "libstd-rust-web-dev");
  const name = `debian-${host}-for-${architecture}-${sanitize(version)}`;
  try {
    const target = await openRoot(options, join(directory, name), architecture, (repository) =>
      targetPackages.map((each) =>
        repository.find(each.startsWith("libstd") ? `${each} (= ${version})` : each),
      ),
    );
    return { host: hostRoot, target };
  } catch (error) {
    if (!KelpieError.is(error) || error.code !== "not-found") throw error;
    throw new KelpieError("not-found", "Debian has replaced the compiler in the cache by a newer one", {
      expected: `libraries of version ${version} for ${architecture}`,
      help: `Remove ${directory}, and the newer one is fetched.`,
      cause: error,
    });
  }
}

async function openRoot(
  options: ToolchainOptions,
  directory: string,
  architecture: Architecture,
  choose: (repository: DebianRepository) => readonly ResolvedPackage[],
): Promise<Root> {
  const { platform, home, onProgress, signal } = options;
  const { files } = platform;
  const recordPath = join(directory, "packages.json");
  if ((await files.stat(recordPath)) !== undefined) {
    const text = new TextDecoder().decode(await files.readFile(recordPath, maxRecordBytes));
    return { directory, record: rootRecord.parse(JSON.parse(text)) };
  }
  const repository = await openDebian({
    platform,
    cacheDirectory: join(home, "cache"),
    architecture,
    report: onProgress,
    signal,
  });
  const packages = choose(repository);
  const sizeBytes = packages.reduce((sum, each) => sum + each.sizeBytes, 0);
  onProgress(
    `Fetching Debian's Rust compiler for ${architecture}: ${packages.length} packages, ${(sizeBytes / 1e6).toFixed(0)} MB`,
  );
  const archives: string[] = [];
  for (const each of packages) archives.push(await repository.download(each, signal));
  onProgress("Unpacking the compiler");
  const unfinished = `${directory}.new`;
  await files.remove(unfinished);
  for (const archive of archives)
    await unpackDeb(files, archive, unfinished, (path) => wantedPath.test(path), signal);
  const record = { packages: packages.map(({ name, version, digest }) => ({ name, version, digest })) };
  await writeFileAtomic(platform, join(unfinished, "packages.json"), `${JSON.stringify(record, null, 2)}\n`);
  await files.rename(unfinished, directory);
  return { directory, record };
}

async function prepare(
  { platform: { files }, architecture }: ToolchainOptions,
  host: Architecture,
  roots: Roots,
  work: string,
): Promise<CargoCommand> {
  const discardScript = join(work, "discard.ld");
  const paths: ToolPaths = {
    root: roots.host.directory,
    targetRoot: roots.target.directory,
    host: machines[host],
    target: machines[architecture],
    gccVersion,
    llvmVersion: llvmVersion(roots.host.record.packages),
    discardScript,
  };
  const scripts = { cargo: cargoScript(paths), rustc: rustcScript(paths), ld: linkerScript(paths) };
  for (const [name, text] of [...Object.entries(scripts), ["discard.ld", discardText] as const]) {
    await using handle = await files.open(join(work, name), "create", 0o755);
    await handle.write(Buffer.from(text), 0);
  }
  const linkerVariable = (of: Architecture): string =>
    `CARGO_TARGET_${machines[of].glibcTarget.toUpperCase().replaceAll("-", "_")}_LINKER`;
  return {
    program: join(work, "cargo"),
    environment: {
      RUSTC: join(work, "rustc"),
      [linkerVariable(host)]: join(work, "ld"),
      [linkerVariable(architecture)]: join(work, "ld"),
      CARGO_ENCODED_RUSTFLAGS: "-Ctarget-feature=+crt-static\u001f-Clinker-flavor=ld",
    },
  };
}

function packageOf({ packages }: RootRecord, name: string): RootRecord["packages"][number] {
  const found = packages.find((each) => each.name === name);
  if (found === undefined) throw new KelpieError("internal", `The unpacked compiler has no ${name}`);
  return found;
}

function llvmVersion(packages: readonly { readonly name: string }[]): string {
  const versions = packages.flatMap(({ name }) => /^libllvm(\d+)$/.exec(name)?.[1] ?? []);
  const [version] = versions;
  if (version !== undefined) return version;
  throw new KelpieError("unsupported", "Debian's Rust compiler is not built as expected", {
    expected: "a dependency on libllvm…",
    found: packages.map(({ name }) => name).join(", "),
  });
}

function sanitize(version: string): string {
  return version.replaceAll(/[^0-9A-Za-z.+~-]/g, "_");
}
