// Everything that a compiled kernel's bytes depend on, and with it where the cache keeps it.

import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Architecture } from "@kelpie/platform";
import type { ResolvedPackage } from "@kelpie/repositories";
import type { KernelRecipe } from "./kernel-recipe.ts";

/** Changes when the way of building does so in a way that changes the bytes. */
const method = "kelpie-kernel-1";

/** What compiles: for people, and as a key. */
export interface KernelCompiler {
  /** As it names itself: "gcc (Debian 12.2.0-14+deb12u1) 12.2.0". */
  readonly name: string;
  /** "sha256:…" of all that compiler, assembler and linker say of themselves. */
  readonly identity: string;
}

export interface KernelIngredients {
  readonly architecture: Architecture;
  readonly recipe: KernelRecipe;
  /** Debian's `linux-source-…`. */
  readonly source: ResolvedPackage;
  readonly compiler: KernelCompiler;
}

/** Where the kernel of these ingredients is kept, whether it is there or not. */
export function kernelCachePath(home: string, ingredients: KernelIngredients): string {
  const { architecture, recipe, compiler, source } = ingredients;
  const words = [method, architecture, recipe.digest, source.digest, compiler.identity];
  const key = createHash("sha256").update(words.join("\n")).digest("hex").slice(0, 40);
  return join(home, "cache", "kernel", `${architecture}-${key}`);
}
