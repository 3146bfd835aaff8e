// Licence expressions: what distributions state, as SPDX writes it (SPDX 2.3, annex D).

import { createHash } from "node:crypto";
import exceptionIds from "spdx-exceptions/index.json" with { type: "json" };
import licenseIds from "spdx-license-ids/index.json" with { type: "json" };
import deprecatedIds from "spdx-license-ids/deprecated.json" with { type: "json" };

/** A valid SPDX expression. What is on no list of SPDX's is a `LicenseRef-…` in it, with its text. */
export interface License {
  readonly expression: string;
  readonly references: readonly LicenseReference[];
}

export interface LicenseReference {
  /** "LicenseRef-custom-1a2b3c4d": its words and a digest of the text. */
  readonly id: string;
  /** As the distribution calls it. */
  readonly name: string;
  readonly text: string;
}

/** How one distribution writes licences, where that is not SPDX's way. */
export interface LicenseDialect {
  /** SPDX's word for one of the distribution's. */
  readonly translate: (name: string) => string;
  /** The text of what is on no list. */
  readonly textOf: (name: string) => string;
}

const plain: LicenseDialect = { translate: (name) => name, textOf: (name) => name };
const lists = new Map([...licenseIds, ...deprecatedIds].map((id) => [id.toLowerCase(), id]));
const exceptions = new Map(exceptionIds.map((id) => [id.toLowerCase(), id]));
const maxTokens = 500;

/** Reads what a package states. Words that are no expression become one reference as a whole. */
export function parseLicense(stated: string, dialect: LicenseDialect = plain): License | undefined {
  const text = stated.replace(/\s+/g, " ").trim();
  if (text === "") return undefined;
  const parsed = new Expression(tokens(text), dialect).parse();
  return parsed ?? reference(text, dialect.textOf(text));
}

/** All of several licences together; undefined where there is none. */
export function allOf(licenses: readonly License[]): License | undefined {
  const distinct = [...new Map(licenses.map((each) => [each.expression, each])).values()];
  const [first] = distinct;
  if (first === undefined || distinct.length === 1) return first;
  return {
    expression: distinct.map(({ expression }) => grouped(expression)).join(" AND "),
    references: distinctReferences(distinct),
  };
}

function tokens(text: string): string[] {
  return text.match(/[()]|[^\s()]+/g) ?? [];
}

/** Recursive descent over `OR`, `AND` and `WITH`, from the weakest binding to the strongest. */
class Expression {
  readonly #tokens: readonly string[];
  readonly #dialect: LicenseDialect;
  #at = 0;

  constructor(all: readonly string[], dialect: LicenseDialect) {
    this.#tokens = all;
    this.#dialect = dialect;
  }

  /** Undefined where the tokens are no expression. */
  parse(): License | undefined {
    if (this.#tokens.length > maxTokens) return undefined;
    const found = this.#chain("OR", () => this.#chain("AND", () => this.#term()));
    return this.#at === this.#tokens.length ? found : undefined;
  }

  #chain(operator: "AND" | "OR", operand: () => License | undefined): License | undefined {
    const operands = [operand()];
    while (this.#takes(operator)) operands.push(operand());
    const found = operands.filter((each) => each !== undefined);
    if (found.length < operands.length) return undefined;
    const [first] = found;
    if (found.length === 1) return first;
    return {
      expression: found.map(({ expression }) => expression).join(` ${operator} `),
      references: distinctReferences(found),
    };
  }

  #term(): License | undefined {
    if (this.#takes("(")) {
      const inner = this.#chain("OR", () => this.#chain("AND", () => this.#term()));
      return inner !== undefined && this.#takes(")")
        ? { ...inner, expression: grouped(inner.expression) }
        : undefined;
    }
    const name = this.#next();
    if (name === undefined) return undefined;
    const license = simple(name, this.#dialect);
    if (!this.#takes("WITH")) return license;
    const exception = exceptions.get(this.#next()?.toLowerCase() ?? "");
    return exception === undefined || license.references.length > 0
      ? undefined
      : { ...license, expression: `${license.expression} WITH ${exception}` };
  }

  #takes(token: string): boolean {
    if (this.#tokens[this.#at]?.toUpperCase() !== token) return false;
    this.#at++;
    return true;
  }

  #next(): string | undefined {
    const token = this.#tokens[this.#at];
    if (token === undefined || /^(?:[()]|and|or|with)$/i.test(token)) return undefined;
    this.#at++;
    return token;
  }
}

function simple(name: string, dialect: LicenseDialect): License {
  const translated = dialect.translate(name);
  const id = lists.get(translated.toLowerCase());
  if (id !== undefined) return { expression: id, references: [] };
  // "GPL-3.0+": any later version, an operator of SPDX.
  const base = lists.get(translated.replace(/\+$/, "").toLowerCase());
  if (translated.endsWith("+") && base !== undefined) return { expression: `${base}+`, references: [] };
  return reference(name, dialect.textOf(name));
}

function reference(name: string, text: string): License {
  const words = name
    .replace(/[^A-Za-z0-9.]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 60);
  const digest = createHash("sha256").update(text).digest("hex").slice(0, 8);
  const id = `LicenseRef-${words === "" ? "unnamed" : words}-${digest}`;
  return { expression: id, references: [{ id, name, text }] };
}

function grouped(expression: string): string {
  return / (?:AND|OR) /.test(expression) && !isOneGroup(expression) ? `(${expression})` : expression;
}

/** Whether the first parenthesis is closed by the last character. */
function isOneGroup(expression: string): boolean {
  let depth = 0;
  for (const { 0: sign, index } of expression.matchAll(/[()]|^[^(]/g)) {
    if (sign === "(") depth++;
    if (sign === ")") depth--;
    if (depth === 0) return index === expression.length - 1;
  }
  return false;
}

function distinctReferences(licenses: readonly License[]): readonly LicenseReference[] {
  const all = licenses.flatMap(({ references }) => references);
  return [...new Map(all.map((each) => [each.id, each])).values()];
}
