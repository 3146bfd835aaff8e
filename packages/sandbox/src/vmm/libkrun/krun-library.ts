// libkrun, loaded into this process by koffi.

import { getSystemErrorName } from "node:util";
import type * as KoffiModule from "koffi";
import { describeError, KelpieError } from "@kelpie/platform";
import { type KrunCall, type KrunFunction, missingBecause, oldestVersion, signatures } from "./signatures.ts";

const installHelp =
  "Fedora: sudo dnf install libkrun. macOS: brew install slp/krun/libkrun. Elsewhere: https://github.com/containers/libkrun";

type Koffi = typeof KoffiModule;
type NativeFunction = (...args: readonly unknown[]) => unknown;

/** A loaded library. */
export class KrunLibrary {
  readonly #name: string;
  readonly #functions: ReadonlyMap<KrunFunction, NativeFunction>;
  /** The file that the system's loader took. */
  readonly file: string;

  private constructor(name: string, file: string, functions: ReadonlyMap<KrunFunction, NativeFunction>) {
    this.#name = name;
    this.file = file;
    this.#functions = functions;
  }

  /**
   * Loads `library`, a path or a name for the system's loader, and looks the functions up that will be called.
   *
   * @throws KelpieError `missing-tool` with the loader's words; `unsupported` for a library that lacks a function
   */
  static async load(library: string, wanted: ReadonlySet<KrunFunction>): Promise<KrunLibrary> {
    const koffi = await import("koffi");
    const loaded = attempt(
      () => koffi.load(library),
      (words) =>
        new KelpieError("missing-tool", "libkrun cannot be loaded", {
          found: words,
          where: library,
          help: installHelp,
        }),
    );
    const functions = Array.from(wanted, (name): [KrunFunction, NativeFunction] => {
      const types = signatures[name].map((type) => (type === "ctx" ? "uint32" : type));
      const native = attempt(
        () => loaded.func(name, "int32", types),
        () =>
          new KelpieError("unsupported", `This libkrun has no ${name}`, {
            found: missingBecause[name] ?? `it is older than ${oldestVersion}`,
            where: library,
            help: installHelp,
          }),
      );
      return [name, native];
    });
    return new KrunLibrary(library, fileOf(koffi, loaded) ?? library, new Map(functions));
  }

  /** Creates a context. `boot-failed` */
  createContext(): number {
    return this.#invoke("krun_create_ctx", []);
  }

  /** Calls a function, with the context before its arguments where it takes one. `boot-failed` with the call's name. */
  call({ name, args }: KrunCall, context: number): void {
    const types: readonly string[] = signatures[name];
    this.#invoke(name, types[0] === "ctx" ? [context, ...args] : args);
  }

  #invoke(name: KrunFunction, args: readonly (boolean | number | string | null)[]): number {
    const result = this.#functions.get(name)?.(...args);
    if (typeof result !== "number") throw new KelpieError("internal", `${name} was not looked up`);
    if (result >= 0) return result;
    throw new KelpieError("boot-failed", `libkrun refused a call: ${name}`, {
      expected: "zero or more",
      found: `${result} (${getSystemErrorName(result)})`,
      where: this.#name,
    });
  }
}

/** The file that a library was loaded from (dladdr(3)). */
function fileOf(
  { load, out, pointer, struct }: Koffi,
  library: ReturnType<Koffi["load"]>,
): string | undefined {
  const info = struct({ file: "str", base: "void *", name: "str", address: "void *" });
  const dladdr: NativeFunction = load(null).func("dladdr", "int", ["void *", out(pointer(info))]);
  const found: { file?: unknown } = {};
  dladdr(library.symbol("krun_create_ctx"), found);
  return typeof found.file === "string" ? found.file : undefined;
}

function attempt<T>(action: () => T, explain: (words: string) => KelpieError): T {
  try {
    return action();
  } catch (error) {
    throw explain(describeError(error));
  }
}
