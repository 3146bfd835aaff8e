// Numbers as people give them to options.

import { KelpieError } from "@kelpie/platform";
import { memoryLimitsMiB } from "@kelpie/sandbox";

const maxCpus = 256;
const maxSeconds = 10_000_000;
const maxDays = 100_000;
const maxBytes = 1e15;

/** A whole number of `what`, from 1 to 256. @throws KelpieError `usage`. */
export function parseCount(text: string, what: string): number {
  return inRange(
    /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN,
    text,
    `a number of ${what} from 1 to ${maxCpus}`,
    maxCpus,
  );
}

/** Memory in MiB, or with a unit: 512, 512M, 2G, 1GiB. @throws KelpieError `usage`. */
export function parseMebibytes(text: string): number {
  const match = /^(\d{1,9})(?:(M|G)(?:i?B)?)?$/i.exec(text);
  const value = Number(match?.[1] ?? Number.NaN) * (match?.[2]?.toUpperCase() === "G" ? 1024 : 1);
  const { least, most } = memoryLimitsMiB;
  const expected = `an amount of memory such as 512, 512M or 2G, from ${least}M to ${most / 1024}G`;
  return inRange(value < least ? Number.NaN : value, text, expected, most);
}

/** A number of bytes to leave out: whole, from 0. @throws KelpieError `usage`. */
export function parseOffset(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new KelpieError("usage", "An offset is not as expected", {
    expected: "a number of bytes",
    found: JSON.stringify(text.slice(0, 40)),
  });
}

/** Seconds, fractions allowed, with an optional unit: 10, 0.5, 90s, 5m, 1h. @throws KelpieError `usage`. */
export function parseSeconds(text: string): number {
  const match = /^(\d{1,9}(?:\.\d{1,3})?)(s|m|h)?$/.exec(text);
  const unit = { s: 1, m: 60, h: 3600 }[match?.[2] ?? "s"] ?? 1;
  return inRange(
    Number(match?.[1] ?? Number.NaN) * unit,
    text,
    "a time such as 10, 0.5, 90s, 5m or 1h",
    maxSeconds,
  );
}

/** An age in days, with a unit: 12h, 30d, 2w. @throws KelpieError `usage`. */
export function parseDays(text: string): number {
  const match = /^(\d{1,6}(?:\.\d{1,3})?)(h|d|w)$/.exec(text);
  const unit = { h: 1 / 24, d: 1, w: 7 }[match?.[2] ?? "d"] ?? 1;
  return inRange(Number(match?.[1] ?? Number.NaN) * unit, text, "an age such as 12h, 30d or 2w", maxDays);
}

/** An amount of bytes with a decimal unit: 500M, 20G, 1.5T. @throws KelpieError `usage`. */
export function parseBytes(text: string): number {
  const match = /^(\d{1,9}(?:\.\d{1,3})?)(M|G|T)B?$/i.exec(text);
  const unit = { M: 1e6, G: 1e9, T: 1e12 }[match?.[2]?.toUpperCase() ?? "M"] ?? 1;
  return inRange(Number(match?.[1] ?? Number.NaN) * unit, text, "a size such as 500M, 20G or 1.5T", maxBytes);
}

function inRange(value: number, text: string, expected: string, max: number): number {
  if (value > 0 && value <= max) return value;
  throw new KelpieError("usage", "A number is not as expected", {
    expected,
    found: JSON.stringify(text.slice(0, 40)),
  });
}
