// Reads the stanzas of Debian's control files: Packages, Release, a .deb's control, *.sources (deb822(5)).

import { KelpieError } from "@kelpie/platform";

/** One field. A continuation line keeps its leading blank, so that the value can be written back as it was. */
export interface Field {
  readonly name: string;
  readonly value: string;
}

/** What a text of stanzas may hold; more is `limit-exceeded`. */
export interface Deb822Limits {
  /** Of the whole text, in UTF-16 units. Default 64 Mi. */
  readonly maxLength?: number;
  /** Default 100,000. */
  readonly maxStanzas?: number;
  /** Of one stanza. Default 1000. */
  readonly maxFields?: number;
}

export interface Deb822Options {
  readonly limits?: Deb822Limits;
  /** For messages: which file this is. */
  readonly where?: string;
  /** Whether lines that begin with "#" are left out, as in files that people edit. Default false. */
  readonly comments?: boolean;
}

const fieldLine = /^([!-9;-~]+):[ \t]*(.*)$/;

/** The fields of one stanza in their order; names are compared without regard to case. */
export class Stanza {
  readonly fields: readonly Field[];
  readonly #byName: ReadonlyMap<string, string>;

  constructor(fields: readonly Field[]) {
    this.fields = fields;
    this.#byName = new Map(fields.map(({ name, value }) => [name.toLowerCase(), value]));
  }

  get(name: string): string | undefined {
    return this.#byName.get(name.toLowerCase());
  }
}

/**
 * The stanzas of `text`, in order.
 *
 * @throws KelpieError `malformed` for a line that is neither field nor continuation and for a field given twice,
 * `limit-exceeded`.
 */
export function parseDeb822(text: string, options: Deb822Options = {}): Stanza[] {
  const { where = "control data", comments = false } = options;
  const { maxLength = 64 << 20, maxStanzas = 100_000, maxFields = 1000 } = options.limits ?? {};
  if (text.length > maxLength) throw tooMuch("length", maxLength, text.length, where);
  const stanzas: Stanza[] = [];
  let builder = new StanzaBuilder(maxFields, where);
  const finish = (): void => {
    if (builder.isEmpty) return;
    if (stanzas.length === maxStanzas) throw tooMuch("stanzas", maxStanzas, stanzas.length + 1, where);
    stanzas.push(builder.build());
    builder = new StanzaBuilder(maxFields, where);
  };
  for (const [index, line] of text.split("\n").entries()) {
    if (comments && line.startsWith("#")) continue;
    if (line.trim() === "") finish();
    else builder.add(line, index + 1);
  }
  finish();
  return stanzas;
}

/** As {@link parseDeb822}, of a text that must hold exactly one stanza. */
export function parseStanza(text: string, options: Deb822Options = {}): Stanza {
  const [stanza, ...more] = parseDeb822(text, { ...options, limits: { maxStanzas: 2, ...options.limits } });
  if (stanza !== undefined && more.length === 0) return stanza;
  throw new KelpieError("malformed", "A control file must hold one stanza", {
    expected: "1 stanza",
    found: stanza === undefined ? "none" : "more",
    where: options.where ?? "control data",
  });
}

/** Writes a stanza as {@link parseStanza} reads it, without the blank line after it. */
export function formatStanza(fields: readonly Field[]): string {
  return fields
    .map(({ name, value }) =>
      value.startsWith("\n") || value === "" ? `${name}:${value}\n` : `${name}: ${value}\n`,
    )
    .join("");
}

/** The value of a field that must be there. @throws KelpieError `malformed`. */
export function requiredField(stanza: Stanza, name: string, where: string): string {
  const value = stanza.get(name);
  if (value !== undefined && value !== "") return value;
  throw new KelpieError("malformed", `A stanza has no ${name}`, { where });
}

class StanzaBuilder {
  readonly #maxFields: number;
  readonly #where: string;
  readonly #names = new Set<string>();
  readonly #fields: { name: string; lines: string[] }[] = [];

  constructor(maxFields: number, where: string) {
    this.#maxFields = maxFields;
    this.#where = where;
  }

  get isEmpty(): boolean {
    return this.#fields.length === 0;
  }

  add(line: string, lineNumber: number): void {
    const where = `${this.#where}, line ${lineNumber}`;
    if (line.startsWith(" ") || line.startsWith("\t")) {
      const field = this.#fields.at(-1);
      if (field === undefined) throw malformed("a field", "a continuation line", where);
      field.lines.push(line.trimEnd());
      return;
    }
    const [, name, value] = fieldLine.exec(line) ?? [];
    if (name === undefined || value === undefined || name.startsWith("-"))
      throw malformed('"Name: value"', JSON.stringify(line.slice(0, 100)), where);
    if (this.#fields.length === this.#maxFields)
      throw tooMuch("fields of a stanza", this.#maxFields, this.#maxFields + 1, where);
    if (this.#names.has(name.toLowerCase())) throw malformed("each field once", `${name} again`, where);
    this.#names.add(name.toLowerCase());
    this.#fields.push({ name, lines: [value.trimEnd()] });
  }

  build(): Stanza {
    return new Stanza(this.#fields.map(({ name, lines }) => ({ name, value: lines.join("\n") })));
  }
}

function malformed(expected: string, found: string, where: string): KelpieError {
  return new KelpieError("malformed", "Cannot read control data", { expected, found, where });
}

function tooMuch(what: string, limit: number, found: number, where: string): KelpieError {
  return new KelpieError("limit-exceeded", `Control data exceeds its limit of ${what}`, {
    expected: `at most ${limit}`,
    found: String(found),
    where,
  });
}
