// The text of an APKINDEX: package records with an empty line after each.

import { KelpieError } from "@kelpie/platform";
import { memoized, parseDependency, parseProvision } from "./dependency.ts";
import { type ApkRecord, RecordBuilder } from "./record.ts";

const maxPackages = 500_000;

/**
 * The packages of an index, in its order. Lines of unknown small letters are left out; an unknown capital letter means
 * a feature without which the package cannot be understood, and its package is left out too, as by apk.
 *
 * @throws KelpieError `malformed` with the line's number, `limit-exceeded`.
 */
export function parseIndex(text: string, where: string): ApkRecord[] {
  const records: ApkRecord[] = [];
  const parsers = { dependency: memoized(parseDependency), provision: memoized(parseProvision) };
  let builder = new RecordBuilder(parsers);
  let isUnderstood = true;
  let lineNumber = 0;
  const located = <T>(step: () => T): T => {
    try {
      return step();
    } catch (error) {
      if (!KelpieError.is(error)) throw error;
      const { expected = "", found = "" } = error;
      const place = `${where}, line ${lineNumber}${error.where === undefined ? "" : `, ${error.where}`}`;
      throw new KelpieError(error.code, error.summary, { expected, found, where: place });
    }
  };
  const finish = (): void => {
    if (!builder.isEmpty && isUnderstood) records.push(located(() => builder.build()));
    builder = new RecordBuilder(parsers);
    isUnderstood = true;
    if (records.length <= maxPackages) return;
    throw new KelpieError("limit-exceeded", "An index has too many packages", {
      expected: `at most ${maxPackages}`,
      where,
    });
  };
  for (let start = 0; start < text.length; ) {
    const newline = text.indexOf("\n", start);
    const stop = newline < 0 ? text.length : newline;
    lineNumber += 1;
    if (stop === start) finish();
    else if (text.charAt(start + 1) === ":" && /[A-Za-z]/.test(text.charAt(start))) {
      const letter = text.charAt(start);
      if (knownLetters.has(letter)) located(() => builder.add(letter, text.slice(start + 2, stop)));
      else if (letter <= "Z") isUnderstood = false;
    } else {
      throw new KelpieError("malformed", "An index line cannot be read", {
        expected: "a letter, a colon and a value",
        found: JSON.stringify(text.slice(start, Math.min(stop, start + 80))),
        where: `${where}, line ${lineNumber}`,
      });
    }
    start = stop + 1;
  }
  finish();
  return records;
}

const knownLetters: ReadonlySet<string> = new Set("CPVASITULomtckDpi");
