// Debian package versions and their order (deb-version(7)).

import { KelpieError } from "@kelpie/platform";

/** The three parts of a version. */
export interface DebianVersion {
  readonly epoch: number;
  readonly upstream: string;
  /** "" where there is none, which compares as "0" does. */
  readonly revision: string;
}

const maxLength = 1024;
const maxEpoch = 2 ** 31 - 1;

/** @throws KelpieError `malformed`, saying which character or part is wrong; `limit-exceeded`. */
export function parseDebianVersion(text: string): DebianVersion {
  if (text.length > maxLength) {
    throw new KelpieError("limit-exceeded", "A package version is too long", {
      expected: `at most ${maxLength} characters`,
      found: String(text.length),
    });
  }
  const colon = text.indexOf(":");
  const epoch = colon < 0 ? "0" : text.slice(0, colon);
  if (!/^\d+$/.test(epoch) || Number(epoch) > maxEpoch)
    throw malformed(`an epoch from 0 to ${maxEpoch}`, text);
  const rest = text.slice(colon + 1);
  const hyphen = rest.lastIndexOf("-");
  const upstream = hyphen < 0 ? rest : rest.slice(0, hyphen);
  const revision = hyphen < 0 ? "" : rest.slice(hyphen + 1);
  if (!/^[0-9][A-Za-z0-9.+~:-]*$/.test(upstream))
    throw malformed("an upstream version of A-Z a-z 0-9 . + ~ : - that begins with a digit", text);
  if (hyphen >= 0 && !/^[A-Za-z0-9.+~]+$/.test(revision))
    throw malformed("a revision of A-Z a-z 0-9 . + ~", text);
  return { epoch: Number(epoch), upstream, revision };
}

/** Below 0 if `a` is older than `b`, 0 if they are equal ("1.0" and "0:1.0-0"), above 0 if it is newer. */
export function compareDebianVersions(a: string, b: string): number {
  if (a === b) return 0;
  const left = parseDebianVersion(a);
  const right = parseDebianVersion(b);
  return (
    left.epoch - right.epoch ||
    compareParts(left.upstream, right.upstream) ||
    compareParts(left.revision, right.revision)
  );
}

/** Alternates between a stretch of non-digits, compared by {@link rank}, and a number, until one differs. */
function compareParts(a: string, b: string): number {
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    while ((i < a.length && !isDigit(a, i)) || (j < b.length && !isDigit(b, j))) {
      const difference = rank(a, i) - rank(b, j);
      if (difference !== 0) return difference;
      i++;
      j++;
    }
    const left = numberAt(a, i);
    const right = numberAt(b, j);
    const difference = left.digits.length - right.digits.length || order(left.digits, right.digits);
    if (difference !== 0) return difference;
    i = left.end;
    j = right.end;
  }
  return 0;
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** "~" before the end, the end (or a digit) before letters, letters before everything else. */
function rank(text: string, at: number): number {
  if (at >= text.length || isDigit(text, at)) return 0;
  const code = text.charCodeAt(at);
  if (code === 0x7e) return -1;
  const isLetter = (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a);
  return isLetter ? code : code + 256;
}

function isDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 0x30 && code <= 0x39;
}

/** Leading zeros left out, so that the longer number is the larger: versions carry more digits than a number holds. */
function numberAt(text: string, at: number): { readonly digits: string; readonly end: number } {
  let start = at;
  while (text.charAt(start) === "0") start++;
  let end = start;
  while (end < text.length && isDigit(text, end)) end++;
  return { digits: text.slice(start, end), end };
}

function malformed(expected: string, text: string): KelpieError {
  return new KelpieError("malformed", "Cannot read a package version", {
    expected,
    found: JSON.stringify(text),
  });
}
