// /usr/share/doc/*/copyright where it is machine-readable (Debian's copyright format 1.0, "DEP-5").

import { allOf, type License, type LicenseDialect, parseLicense } from "./license.ts";

/** Debian's short names that SPDX writes otherwise; those of the GNU licences follow a rule. */
const shortNames: Readonly<Record<string, string>> = {
  expat: "MIT",
  artistic: "Artistic-1.0",
  "bsd-2-clause": "BSD-2-Clause",
  cc0: "CC0-1.0",
  gfdl: "GFDL-1.1-or-later",
  psf: "PSF-2.0",
  "qpl-1": "QPL-1.0",
};

/** Exceptions that Debian writes in words. */
const exceptionNames: Readonly<Record<string, string>> = {
  bison: "Bison-exception-2.2",
  classpath: "Classpath-exception-2.0",
  font: "Font-exception-2.0",
  libtool: "Libtool-exception",
};

/**
 * The licence of a package: those of all its files together. Undefined for a file that is not machine-readable or states
 * no licence of files.
 */
export function debianLicense(copyright: string): License | undefined {
  const paragraphs = copyright
    .replaceAll("\r\n", "\n")
    .split(/\n(?:[ \t]*\n)+/)
    .map(fields);
  if (!/\/copyright-format\/|\/dep5|DEP-?5/i.test(paragraphs[0]?.get("format") ?? "")) return undefined;
  const texts = new Map<string, string>();
  for (const paragraph of paragraphs) {
    const [name = "", ...text] = (paragraph.get("license") ?? "").split("\n");
    if (text.length > 0 && !texts.has(name.trim())) texts.set(name.trim(), unfolded(text));
  }
  const dialect: LicenseDialect = { translate, textOf: (name) => texts.get(name) ?? name };
  const stated = paragraphs
    .filter((paragraph) => paragraph.has("files"))
    .map((paragraph) => (paragraph.get("license") ?? "").split("\n")[0] ?? "");
  return allOf(stated.flatMap((each) => parseLicense(withoutCommas(withExceptions(each)), dialect) ?? []));
}

/** Fields by their names in lower case; continuation lines follow the first. */
function fields(paragraph: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  let last = "";
  for (const line of paragraph.split("\n")) {
    const match = /^([A-Za-z][A-Za-z0-9-]*):[ \t]*(.*)$/.exec(line);
    if (match !== null) {
      last = (match[1] ?? "").toLowerCase();
      found.set(last, match[2] ?? "");
    } else if (/^[ \t]/.test(line) && last !== "") {
      found.set(last, `${found.get(last) ?? ""}\n${line}`);
    }
  }
  return found;
}

/** Of a text's lines the one space that folds them, and of empty ones the dot. */
function unfolded(lines: readonly string[]): string {
  return lines.map((line) => line.replace(/^[ \t]/, "").replace(/^\.$/, "")).join("\n");
}

function withExceptions(expression: string): string {
  return expression.replace(/\bwith (?:the )?(\w+) exception\b/gi, (words, name: string) => {
    const id = exceptionNames[name.toLowerCase()];
    return id === undefined ? words : `WITH ${id}`;
  });
}

/** "A or B, and C": a comma binds weaker than the word before it. */
function withoutCommas(expression: string): string {
  const parts = expression.split(/,\s*(?=(?:and|or)\s)/i);
  if (parts.length === 1) return expression;
  return parts
    .map((part, index) => {
      const [, word = "", rest = part] = index === 0 ? [] : (/^(and|or)\s+(.*)$/i.exec(part) ?? []);
      return `${word} ${rest.includes(" ") ? `(${rest})` : rest}`.trim();
    })
    .join(" ");
}

function translate(name: string): string {
  const gnu = /^(A?GPL|LGPL|GFDL)-(\d+(?:\.\d+)?)(\+?)$/i.exec(name);
  if (gnu === null) return shortNames[name.toLowerCase()] ?? name;
  const [, family = "", number = "", later] = gnu;
  const version = number.includes(".") ? number : `${number}.0`;
  return `${family.toUpperCase()}-${version}-${later === "+" ? "or-later" : "only"}`;
}
