// The modules of a kernel package by name and alias, each read no sooner than something asks for it.

import {
  baseName,
  type ByteSource,
  bytesSource,
  collect,
  decompress,
  type FileNode,
  type ModuleInfo,
  readModuleInfo,
  type TreeEntry,
} from "@kelpie/formats";
import { KelpieError } from "@kelpie/platform";
import type { GuestModule } from "./guest-kernel.ts";
import type { ModuleGraph, ModuleNeeds } from "./module-order.ts";

const maxModuleBytes = 64 << 20;
const maxListBytes = 16 << 20;
const maxModules = 20_000;
const moduleName = /\.ko(\.gz|\.xz|\.zst)?$/;
/** Where the ciphers and checksums are that other modules ask for by alias. */
const aliasDirectories = ["/kernel/crypto/", "/kernel/lib/", "/crypto/"];

interface PackagedModule {
  readonly name: string;
  readonly path: string;
  readonly content: ByteSource;
}

interface ReadModule {
  readonly module: GuestModule;
  readonly info: ModuleInfo;
}

/** As the kernel compares names: it makes no difference between "-" and "_". */
export function canonicalName(name: string): string {
  return name.replaceAll("-", "_");
}

/** The modules below `lib/modules/<release>` of a package. */
export class ModuleIndex implements ModuleGraph {
  readonly #modules: ReadonlyMap<string, PackagedModule>;
  readonly #builtIn: ByteSource | undefined;
  readonly #builtInInfo: ByteSource | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #read = new Map<string, Promise<ReadModule>>();
  #builtInNames: Promise<ReadonlySet<string>> | undefined;
  #aliases: Promise<ReadonlyMap<string, readonly string[]>> | undefined;

  /** `directory` is "lib/modules/<release>" or "usr/lib/modules/<release>" in the package. */
  constructor(entries: readonly TreeEntry[], directory: string, signal?: AbortSignal) {
    const files = new Map(
      entries.flatMap(({ path, node }): [string, FileNode][] =>
        node.kind === "file" && path.startsWith(`${directory}/`) ? [[path, node]] : [],
      ),
    );
    const modules = [...files].filter(([path]) => moduleName.test(path));
    if (modules.length > maxModules) {
      throw new KelpieError("limit-exceeded", "A kernel package has too many modules", {
        expected: `at most ${maxModules}`,
        found: `${modules.length}`,
      });
    }
    this.#modules = new Map(
      modules.map(([path, { content }]) => {
        const name = canonicalName(baseName(path).replace(moduleName, ""));
        return [name, { name, path, content }];
      }),
    );
    this.#builtIn = files.get(`${directory}/modules.builtin`)?.content;
    this.#builtInInfo = files.get(`${directory}/modules.builtin.modinfo`)?.content;
    this.#signal = signal;
  }

  async resolve(wish: string): Promise<readonly string[]> {
    const name = canonicalName(wish);
    if (this.#modules.has(name)) return [name];
    if (await this.isBuiltIn(name)) return [];
    this.#aliases ??= this.#readAliases();
    return (await this.#aliases).get(name) ?? [];
  }

  async isBuiltIn(name: string): Promise<boolean> {
    this.#builtInNames ??= this.#readBuiltIn();
    return (await this.#builtInNames).has(canonicalName(name));
  }

  async needs(name: string): Promise<ModuleNeeds> {
    const { depends, softdeps } = (await this.#module(name)).info;
    return { depends, softBefore: softdeps.pre, softAfter: softdeps.post };
  }

  /** The module itself, uncompressed. */
  async module(name: string): Promise<GuestModule> {
    return (await this.#module(name)).module;
  }

  #module(name: string): Promise<ReadModule> {
    const pending = this.#read.get(name) ?? this.#readModule(name);
    this.#read.set(name, pending);
    return pending;
  }

  async #readModule(name: string): Promise<ReadModule> {
    const packaged = this.#modules.get(name);
    if (packaged === undefined) throw new KelpieError("not-found", `There is no kernel module ${name}`);
    const { path } = packaged;
    const limits = { maxOutputBytes: maxModuleBytes, where: path };
    const bytes = await collect(
      decompress(packaged.content.open(this.#signal), limits),
      maxModuleBytes,
      path,
    );
    const plainPath = path.replace(moduleName, ".ko").replace(/^usr\//, "");
    return {
      module: { name, path: plainPath, content: bytesSource(bytes) },
      info: readModuleInfo(bytes, path),
    };
  }

  async #readBuiltIn(): Promise<ReadonlySet<string>> {
    const paths = (await this.#text(this.#builtIn)).split("\n").filter((line) => line !== "");
    const names = paths.map((path) => canonicalName(baseName(path).replace(moduleName, "")));
    // "crc32c_generic.alias=crypto-crc32c": what is built in answers to its aliases too.
    const records = (await this.#text(this.#builtInInfo)).split("\0");
    const aliases = records.flatMap((record) => /^[^.=]+\.alias=(.+)$/s.exec(record)?.slice(1) ?? []);
    return new Set([...names, ...aliases.map(canonicalName)]);
  }

  async #readAliases(): Promise<ReadonlyMap<string, readonly string[]>> {
    const aliases = new Map<string, string[]>();
    for (const { name, path } of this.#modules.values()) {
      if (!aliasDirectories.some((directory) => path.includes(directory))) continue;
      for (const alias of (await this.#module(name)).info.aliases) {
        const names = aliases.get(canonicalName(alias)) ?? [];
        aliases.set(canonicalName(alias), [...names, name]);
      }
    }
    return aliases;
  }

  async #text(source: ByteSource | undefined): Promise<string> {
    if (source === undefined) return "";
    return Buffer.from(await collect(source.open(this.#signal), maxListBytes)).toString("latin1");
  }
}
