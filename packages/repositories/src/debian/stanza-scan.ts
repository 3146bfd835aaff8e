// Finds where the stanzas of a Packages index lie, and the few words that a lookup needs, without parsing them.

import { KelpieError } from "@kelpie/platform";

/** The stanzas of one index, in three columns: an object for each would take longer to make than the whole scan. */
export interface ScannedStanzas {
  readonly names: readonly string[];
  readonly starts: readonly number[];
  /** Just after the last line of each. */
  readonly ends: readonly number[];
}

/** The Provides field of one stanza, as text. */
export interface ScannedProvides {
  readonly stanza: number;
  readonly text: string;
}

const maxStanzas = 1_000_000;
const maxStanzaBytes = 1 << 20;
const newline = 0x0a;
const packageField = "Package: ";
const providesField = "\nProvides:";

/** @throws KelpieError `malformed` for a stanza without Package, `limit-exceeded`. */
export function scanStanzas(index: Buffer, label: string): ScannedStanzas {
  const names: string[] = [];
  const starts: number[] = [];
  const ends: number[] = [];
  for (let start = skipNewlines(index, 0); start < index.length; ) {
    const blank = index.indexOf("\n\n", start);
    const end = blank < 0 ? index.length : blank + 1;
    if (names.length === maxStanzas) throw tooMuch(`${maxStanzas} stanzas`, label);
    if (end - start > maxStanzaBytes) throw tooMuch(`stanzas of ${maxStanzaBytes} bytes`, label);
    names.push(packageName(index, start, end, label));
    starts.push(start);
    ends.push(end);
    start = skipNewlines(index, end);
  }
  return { names, starts, ends };
}

/** The Provides fields of an index that {@link scanStanzas} has been over. */
export function scanProvides(index: Buffer, { starts, ends }: ScannedStanzas): ScannedProvides[] {
  const found: ScannedProvides[] = [];
  let stanza = 0;
  for (let at = index.indexOf(providesField); at >= 0; at = index.indexOf(providesField, at + 1)) {
    while (at >= (ends[stanza] ?? Infinity)) stanza++;
    if (at < (starts[stanza] ?? Infinity)) continue;
    const from = at + providesField.length;
    found.push({ stanza, text: index.toString("utf8", from, endOfField(index, from, ends[stanza] ?? from)) });
  }
  return found;
}

/** Package is the first field in all indexes that Debian's own tools write, and may stand anywhere. */
function packageName(index: Buffer, start: number, end: number, label: string): string {
  const isFirst = index.toString("latin1", start, start + packageField.length) === packageField;
  const later = isFirst ? -1 : index.indexOf(`\n${packageField}`, start);
  if (!isFirst && (later < 0 || later >= end)) {
    throw new KelpieError("malformed", "A stanza of a package index has no Package", {
      where: `${label}, byte ${start}`,
    });
  }
  const from = (isFirst ? start : later + 1) + packageField.length;
  const to = index.indexOf(newline, from);
  return index.toString("latin1", from, to < 0 ? end : to).trim();
}

function skipNewlines(index: Buffer, from: number): number {
  let at = from;
  while (index[at] === newline) at++;
  return at;
}

/** A field goes on over lines that begin with a blank. */
function endOfField(index: Buffer, from: number, limit: number): number {
  for (let at = from; ; ) {
    const end = index.indexOf(newline, at);
    if (end < 0 || end >= limit) return limit;
    if (index[end + 1] !== 0x20 && index[end + 1] !== 0x09) return end;
    at = end + 1;
  }
}

function tooMuch(limit: string, label: string): KelpieError {
  return new KelpieError("limit-exceeded", "A package index is too large", {
    expected: `at most ${limit}`,
    where: label,
  });
}
