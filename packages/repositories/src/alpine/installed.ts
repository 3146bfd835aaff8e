// Reads the database of installed packages that a root file system brings along: a minirootfs knows what it is made of.

import { KelpieError } from "@kelpie/platform";
import { type Dependency, parseDependency, parseList } from "./dependency.ts";
import { type ApkRecord, RecordBuilder } from "./record.ts";

/** A package of an installed database. */
export interface InstalledPackage {
  readonly record: ApkRecord;
  readonly replaces: readonly Dependency[];
  readonly replacesPriority: number | undefined;
  /** The repository tag that it was asked for with. */
  readonly tag: string | undefined;
  readonly directories: readonly InstalledPath[];
  readonly files: readonly InstalledFile[];
}

export interface InstalledPath {
  readonly path: string;
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

export interface InstalledFile extends InstalledPath {
  /** "Q1" and the base64 of the SHA-1 of the content, or of a symlink's target. */
  readonly checksum: string | undefined;
}

const maxPackages = 100_000;
const maxPaths = 2_000_000;

/** @throws KelpieError `malformed` with the line's number, `limit-exceeded`. */
export function readInstalled(text: string, where: string): InstalledPackage[] {
  const packages: InstalledPackage[] = [];
  let reading = new Reading();
  let pathCount = 0;
  for (const [index, line] of text.split("\n").entries()) {
    try {
      if (line === "") {
        if (!reading.isEmpty) packages.push(reading.finish());
        reading = new Reading();
      } else {
        reading.take(line);
        if (line.startsWith("F:") || line.startsWith("R:")) pathCount += 1;
      }
    } catch (error) {
      if (!KelpieError.is(error)) throw error;
      const { expected = "a letter, a colon and a value", found = line.slice(0, 100) } = error;
      throw new KelpieError(error.code, error.summary, {
        expected,
        found,
        where: `${where}, line ${index + 1}`,
      });
    }
    if (packages.length > maxPackages || pathCount > maxPaths) {
      throw new KelpieError("limit-exceeded", "An installed database is too large", {
        expected: `at most ${maxPackages} packages and ${maxPaths} paths`,
        where,
      });
    }
  }
  if (!reading.isEmpty) packages.push(reading.finish());
  return packages;
}

/** One package as its lines come. */
class Reading {
  readonly #record = new RecordBuilder();
  readonly #directories: InstalledPath[] = [];
  readonly #files: InstalledFile[] = [];
  #replaces: readonly Dependency[] = [];
  #replacesPriority: number | undefined;
  #tag: string | undefined;

  get isEmpty(): boolean {
    return this.#record.isEmpty;
  }

  finish(): InstalledPackage {
    return {
      record: this.#record.build(),
      replaces: this.#replaces,
      replacesPriority: this.#replacesPriority,
      tag: this.#tag,
      directories: this.#directories,
      files: this.#files,
    };
  }

  take(line: string): void {
    const [, letter, value] = /^([A-Za-z]):(.*)$/.exec(line) ?? [];
    if (letter === undefined || value === undefined) throw malformed();
    switch (letter) {
      case "F":
        this.#directories.push({ path: value, uid: 0, gid: 0, mode: 0o755 });
        return;
      case "M":
        change(this.#directories, access(value));
        return;
      case "R":
        this.#files.push({ path: this.#pathOf(value), uid: 0, gid: 0, mode: 0o644, checksum: undefined });
        return;
      case "a":
        change(this.#files, access(value));
        return;
      case "Z":
        change(this.#files, { checksum: value });
        return;
      case "r":
        this.#replaces = parseList(value, parseDependency);
        return;
      case "q":
        this.#replacesPriority = integer(value, 10);
        return;
      case "s":
        this.#tag = value;
        return;
      // Flags of a package that is only half installed.
      case "f":
        return;
      default:
        this.#record.add(letter, value);
    }
  }

  #pathOf(name: string): string {
    const directory = this.#directories.at(-1);
    if (directory === undefined || name === "" || name.includes("/")) throw malformed();
    return directory.path === "" ? name : `${directory.path}/${name}`;
  }
}

function change<T>(list: T[], part: Partial<T>): void {
  const last = list.pop();
  if (last === undefined) throw malformed();
  list.push({ ...last, ...part });
}

/** "uid:gid:mode", which a checksum of extended attributes may follow. */
function access(value: string): Pick<InstalledPath, "uid" | "gid" | "mode"> {
  const [uid = "", gid = "", mode = ""] = value.split(":");
  return { uid: integer(uid, 10), gid: integer(gid, 10), mode: integer(mode, 8) };
}

function integer(text: string, base: 8 | 10): number {
  if (!(base === 8 ? /^[0-7]{1,5}$/ : /^\d{1,10}$/).test(text)) throw malformed();
  return Number.parseInt(text, base);
}

function malformed(): KelpieError {
  return new KelpieError("malformed", "A line of an installed database cannot be read");
}
