// Image versions: MAJOR.MINOR.PATCH[-PRERELEASE]-DATE-GITSHA, parsed once into a value.

import { KelpieError } from "@kelpie/platform";

/** The part of a version that a person chooses: Semantic Versioning 2.0.0 without build metadata. */
export interface ReleaseVersion {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
  /** Without its leading "-"; empty for a release. */
  readonly prerelease: string;
}

/** The version of a built image. */
export interface ImageVersion extends ReleaseVersion {
  /** YYYYMMDD, in UTC. */
  readonly date: string;
  /** The first seven hexadecimal digits of the commit. */
  readonly gitSha: string;
}

const numberPattern = "0|[1-9]\\d{0,8}";
const identifierPattern = "(?:0|[1-9]\\d*|\\d*[a-zA-Z-][0-9a-zA-Z-]*)";
const releasePattern = `(${numberPattern})\\.(${numberPattern})\\.(${numberPattern})(?:-(${identifierPattern}(?:\\.${identifierPattern})*))?`;
const releaseExpression = new RegExp(`^${releasePattern}$`);
const imageExpression = new RegExp(`^${releasePattern}-(\\d{8})-([0-9a-f]{7})$`);
const maxLength = 128;

/**
 * Parses what a person gives as a version: `1.0.0`, `1.0.0-dev`. A bare word is a pre-release of nothing yet:
 * `test` means `0.0.0-test`.
 *
 * @throws KelpieError `usage` for anything else.
 */
export function parseReleaseVersion(text: string): ReleaseVersion {
  const word = /^[a-zA-Z][0-9a-zA-Z]*$/.test(text) ? `0.0.0-${text}` : text;
  const match = word.length <= maxLength ? releaseExpression.exec(word) : null;
  if (match === null) {
    throw new KelpieError("usage", "This is not a version", {
      expected: "MAJOR.MINOR.PATCH[-PRERELEASE] or one word, such as 1.0.0, 1.2.3-rc.1 or test",
      found: JSON.stringify(text.slice(0, maxLength)),
    });
  }
  return releaseOf(match);
}

/** Parses the version of an image, or returns undefined where the text is not one. */
export function tryParseImageVersion(text: string): ImageVersion | undefined {
  const match = text.length <= maxLength ? imageExpression.exec(text) : null;
  if (match === null) return undefined;
  const date = match[5] ?? "";
  if (!isCalendarDate(date)) return undefined;
  return { ...releaseOf(match), date, gitSha: match[6] ?? "" };
}

/** @throws KelpieError `usage` where the text is not the version of an image. */
export function parseImageVersion(text: string): ImageVersion {
  const version = tryParseImageVersion(text);
  if (version === undefined) {
    throw new KelpieError("usage", "This is not the version of an image", {
      expected: "MAJOR.MINOR.PATCH[-PRERELEASE]-YYYYMMDD-GITSHA, for example 1.0.0-20260115-a3f4d21",
      found: JSON.stringify(text.slice(0, maxLength)),
    });
  }
  return version;
}

/** A release version with the date and commit that it is built from. */
export function imageVersion(
  release: ReleaseVersion,
  buildTimeSeconds: number,
  gitSha: string,
): ImageVersion {
  const { major, minor, patch, prerelease } = release;
  const date = new Date(buildTimeSeconds * 1000).toISOString().slice(0, 10).replaceAll("-", "");
  return { major, minor, patch, prerelease, date, gitSha: gitSha.slice(0, 7) };
}

/** The text of a version, as it is parsed. */
export function formatImageVersion(version: ImageVersion): string {
  const { major, minor, patch, prerelease, date, gitSha } = version;
  return `${major}.${minor}.${patch}${prerelease === "" ? "" : `-${prerelease}`}-${date}-${gitSha}`;
}

/**
 * Orders versions by Semantic Versioning's precedence, then by date, then by commit so that the order is total.
 *
 * @returns negative, zero or positive, as a comparator does.
 */
export function compareImageVersions(a: ImageVersion, b: ImageVersion): number {
  return (
    a.major - b.major ||
    a.minor - b.minor ||
    a.patch - b.patch ||
    comparePrereleases(a.prerelease, b.prerelease) ||
    compareText(a.date, b.date) ||
    compareText(a.gitSha, b.gitSha)
  );
}

function releaseOf(match: RegExpExecArray): ReleaseVersion {
  return {
    major: Number(match[1]),
    minor: Number(match[2]),
    patch: Number(match[3]),
    prerelease: match[4] ?? "",
  };
}

function isCalendarDate(date: string): boolean {
  const [year, month, day] = [date.slice(0, 4), date.slice(4, 6), date.slice(6)].map(Number);
  if (year === undefined || month === undefined || day === undefined) return false;
  // Day 0 of the next month is the last of this one. Years below 100 mean others to Date: no image is that old.
  const lastDay = new Date(Date.UTC(year, month, 0)).getUTCDate();
  return year >= 100 && month >= 1 && month <= 12 && day >= 1 && day <= lastDay;
}

function comparePrereleases(a: string, b: string): number {
  // A release stands above all its pre-releases.
  if (a === "" || b === "") return Number(a === "") - Number(b === "");
  const left = a.split(".");
  const right = b.split(".");
  for (const [index, identifier] of left.entries()) {
    const other = right[index];
    if (other === undefined) return 1;
    const order = compareIdentifiers(identifier, other);
    if (order !== 0) return order;
  }
  return left.length - right.length;
}

function compareIdentifiers(a: string, b: string): number {
  const aIsNumber = /^\d+$/.test(a);
  const bIsNumber = /^\d+$/.test(b);
  if (aIsNumber !== bIsNumber) return aIsNumber ? -1 : 1;
  // Numbers without leading zeros order by length first, whatever their size.
  return aIsNumber ? a.length - b.length || compareText(a, b) : compareText(a, b);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
