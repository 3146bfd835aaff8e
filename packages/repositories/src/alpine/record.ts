// What an index or the installed database says of one package: lines of a letter, a colon and a value.

import { KelpieError } from "@kelpie/platform";
import { type Dependency, type Provision, parseDependency, parseList, parseProvision } from "./dependency.ts";

/** One package as its index states it. Absent texts are "". */
export interface ApkRecord {
  /** `C:` "Q1" and the base64 of the SHA-1 of the package's control member: the package's identity. */
  readonly checksum: string;
  readonly name: string;
  readonly version: string;
  /** Alpine's name: `x86_64`, `aarch64`, `noarch`. */
  readonly architecture: string;
  /** Of the .apk. */
  readonly sizeBytes: number;
  readonly installedBytes: number;
  readonly description: string;
  readonly url: string;
  readonly license: string;
  /** The source package. */
  readonly origin: string;
  readonly maintainer: string;
  /** Seconds since the epoch; 0 where it is not stated. */
  readonly buildTimeSeconds: number;
  readonly commit: string;
  /** Which of several packages that provide a virtual name is taken: the highest; 0 where none is stated. */
  readonly providerPriority: number;
  readonly depends: readonly Dependency[];
  readonly provides: readonly Provision[];
  readonly installIf: readonly Dependency[];
}

const maxNumber = Number.MAX_SAFE_INTEGER;

/** How relations are read; a reader of many packages reads each text once. */
export interface RelationParsers {
  readonly dependency: (text: string) => Dependency;
  readonly provision: (text: string) => Provision;
}

/** Collects the lines of one package until it is whole. */
export class RecordBuilder {
  readonly #values = new Map<string, string>();
  readonly #parsers: RelationParsers;

  constructor(parsers: RelationParsers = { dependency: parseDependency, provision: parseProvision }) {
    this.#parsers = parsers;
  }

  /** Takes a line's letter and value. @throws KelpieError `malformed` for a letter met before. */
  add(letter: string, value: string): void {
    if (this.#values.has(letter)) {
      throw new KelpieError("malformed", "A package record states one thing twice", {
        found: `two lines ${letter}:`,
      });
    }
    this.#values.set(letter, value);
  }

  get isEmpty(): boolean {
    return this.#values.size === 0;
  }

  /** @throws KelpieError `malformed` where the identity is missing or a value cannot be read. */
  build(): ApkRecord {
    const text = (letter: string): string => this.#values.get(letter) ?? "";
    const name = this.#needed("P", /^[^\s/<>=~!@\p{Cc}]{1,255}$/u);
    return {
      checksum: this.#needed("C", /^Q1[A-Za-z0-9+/]{27}=$/),
      name,
      version: this.#needed("V", /^[^\s/\p{Cc}]{1,255}$/u),
      architecture: text("A"),
      sizeBytes: this.#number("S"),
      installedBytes: this.#number("I"),
      description: text("T"),
      url: text("U"),
      license: text("L"),
      origin: text("o"),
      maintainer: text("m"),
      buildTimeSeconds: this.#number("t"),
      commit: text("c"),
      providerPriority: this.#number("k"),
      depends: this.#relations(name, "D", this.#parsers.dependency),
      provides: this.#relations(name, "p", this.#parsers.provision),
      installIf: this.#relations(name, "i", this.#parsers.dependency),
    };
  }

  #needed(letter: string, pattern: RegExp): string {
    const value = this.#values.get(letter);
    if (value !== undefined && pattern.test(value)) return value;
    throw new KelpieError("malformed", "A package record lacks its identity", {
      expected: `a line ${letter}: of the form ${pattern.source}`,
      found: value === undefined ? "none" : JSON.stringify(value.slice(0, 100)),
      where: this.#values.get("P") ?? "a package without a name",
    });
  }

  #number(letter: string): number {
    const text = this.#values.get(letter);
    if (text === undefined) return 0;
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (value <= maxNumber) return value;
    throw new KelpieError("malformed", "A package record has a bad number", {
      found: `${letter}:${text.slice(0, 100)}`,
      where: this.#values.get("P") ?? "",
    });
  }

  #relations<T>(name: string, letter: string, parseItem: (item: string) => T): readonly T[] {
    const text = this.#values.get(letter);
    if (text === undefined) return [];
    try {
      return parseList(text, parseItem);
    } catch (error) {
      if (!KelpieError.is(error)) throw error;
      const { expected = "", found = "" } = error;
      throw new KelpieError(error.code, error.summary, {
        expected,
        found,
        where: `${name}, line ${letter}:`,
      });
    }
  }
}

/** The lines of a record as apk writes them, each ended by a newline; without file lists. */
export function writeRecord(record: ApkRecord): string {
  const list = (items: readonly { readonly text: string }[]): string =>
    items.map(({ text }) => text).join(" ");
  const optional: readonly (readonly [letter: string, value: string])[] = [
    ["o", record.origin],
    ["m", record.maintainer],
    ["t", record.buildTimeSeconds === 0 ? "" : `${record.buildTimeSeconds}`],
    ["c", record.commit],
    ["k", record.providerPriority === 0 ? "" : `${record.providerPriority}`],
    ["D", list(record.depends)],
    ["p", list(record.provides)],
    ["i", list(record.installIf)],
  ];
  const lines = [
    `C:${record.checksum}`,
    `P:${record.name}`,
    `V:${record.version}`,
    ...(record.architecture === "" ? [] : [`A:${record.architecture}`]),
    `S:${record.sizeBytes}`,
    `I:${record.installedBytes}`,
    `T:${record.description}`,
    `U:${record.url}`,
    `L:${record.license}`,
    ...optional.filter(([, value]) => value !== "").map(([letter, value]) => `${letter}:${value}`),
  ];
  return `${lines.join("\n")}\n`;
}
