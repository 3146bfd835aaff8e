// Small shell scripts between cargo and the unpacked tools. They run each tool with the C library that was unpacked with it, so
// that the machine's own may be of any age or kind; and they keep paths out of what is compiled.

import type { Machine } from "./toolchain.ts";

/** Where the tools are. */
export interface ToolPaths {
  /** The root that Debian's packages of this machine were unpacked to. */
  readonly root: string;
  /** The root with the libraries of the machine that is compiled for; the same one where that is this machine. */
  readonly targetRoot: string;
  readonly host: Machine;
  readonly target: Machine;
  /** The directory of gcc's libraries of each: "12". */
  readonly gccVersion: string;
  /** Of LLVM: "22". */
  readonly llvmVersion: string;
  /** A linker script for programs that never unwind. */
  readonly discardScript: string;
}

/** A text as one word of a shell. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** `exec` of a program of the root, by the loader of the root. */
function run({ root, host, llvmVersion }: ToolPaths, program: string, name: string): string {
  const libraries = [
    `${root}/lib/${host.debianTriplet}`,
    `${root}/usr/lib/${host.debianTriplet}`,
    `${root}/usr/lib/llvm-${llvmVersion}/lib`,
  ];
  return [
    `exec ${quote(`${root}/${host.loader}`)}`,
    `--argv0 ${name}`,
    `--library-path ${quote(libraries.join(":"))}`,
    quote(`${root}/${program}`),
  ].join(" ");
}

export function cargoScript(paths: ToolPaths): string {
  return `#!/bin/sh
${run(paths, "usr/bin/cargo", "cargo")} "$@"
`;
}

/**
 * Of each crate the directories that cargo names are given other names, whatever registry, mirror or cache they lie in: messages
 * of a panic would carry them into the program.
 */
const keepPathsOut = `if [ -n "$CARGO_MANIFEST_DIR" ]; then
  set -- "$@" --remap-path-prefix "$CARGO_MANIFEST_DIR=/crates/$CARGO_PKG_NAME-$CARGO_PKG_VERSION"
fi
if [ -n "$OUT_DIR" ]; then
  set -- "$@" --remap-path-prefix "$OUT_DIR=/crates/$CARGO_PKG_NAME-$CARGO_PKG_VERSION/out"
fi
`;

/** The compiler that a person has installed. */
export function plainRustcScript(rustc: string): string {
  return `#!/bin/sh
${keepPathsOut}exec ${quote(rustc)} "$@"
`;
}

/** The unpacked compiler. The target's libraries are elsewhere than this machine's. */
export function rustcScript(paths: ToolPaths): string {
  const { targetRoot, target } = paths;
  return `#!/bin/sh
for argument; do
  case $argument in
  ${target.glibcTarget}) set -- --sysroot ${quote(`${targetRoot}/usr`)} "$@"; break ;;
  esac
done
${keepPathsOut}${run(paths, "usr/bin/rustc", "rustc")} "$@"
`;
}

/**
 * The linker: what a C compiler's driver adds for the C library, added here. Static programs are the guest's; all else (build
 * scripts, procedural macros) runs on this machine while cargo does, with the unpacked C library.
 *
 * Some of glibc's libraries are linker scripts that name others by absolute paths: a sysroot keeps those inside the root.
 * Static programs are position-independent on both machines, with their relocations packed (RELR), which saves a twentieth.
 */
export function linkerScript(paths: ToolPaths): string {
  const { root, targetRoot, host, target, gccVersion, llvmVersion, discardScript } = paths;
  const lld = run(paths, `usr/lib/llvm-${llvmVersion}/bin/lld`, "ld.lld");
  const gcc = (of: string, { debianTriplet }: Machine): string =>
    `${of}/usr/lib/gcc/${debianTriplet}/${gccVersion}`;
  const libraries = (of: string, { debianTriplet }: Machine): string => `${of}/usr/lib/${debianTriplet}`;
  return `#!/bin/sh
kind=program
for argument; do
  case $argument in
  -static) kind=static; break ;;
  -shared) kind=shared; break ;;
  esac
done
if [ $kind = static ]; then
  gcc=${quote(gcc(targetRoot, target))}
  lib=${quote(libraries(targetRoot, target))}
  set -- "$lib/rcrt1.o" "$lib/crti.o" "$gcc/crtbeginS.o" "$@" \\
    --sysroot=${quote(targetRoot)} -pie --no-dynamic-linker -z text -z pack-relative-relocs --build-id=sha1
  if [ -n "$KELPIE_NEVER_UNWINDS" ]; then set -- "$@" -T ${quote(discardScript)}; fi
else
  gcc=${quote(gcc(root, host))}
  lib=${quote(libraries(root, host))}
  set -- "$lib/crti.o" "$gcc/crtbeginS.o" "$@" --sysroot=${quote(root)} -L ${quote(`${root}/lib/${host.debianTriplet}`)}
  if [ $kind = program ]; then
    set -- "$lib/Scrt1.o" "$@" --dynamic-linker ${quote(`${root}/${host.loader}`)} \\
      -rpath ${quote(`${root}/lib/${host.debianTriplet}`)}
  fi
fi
${lld} "$@" -L "$gcc" -L "$lib" "$gcc/crtendS.o" "$lib/crtn.o"
`;
}
