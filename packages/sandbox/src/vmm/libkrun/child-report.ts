// The line by which the process that becomes a machine says what it came to, and the check of it.

import type { Readable } from "node:stream";
import { errorCodes, KelpieError, type KelpieErrorCode, tryParseJson, printable } from "@kelpie/platform";
import { z } from "zod";
import { orAborted } from "../../or-aborted.ts";

const lineLimitBytes = 64 << 10;

/** What it came to. */
export type ChildReport =
  /** All was said to libkrun; the machine starts with the next step. */
  | { readonly kind: "entering" }
  /** The library is here and has what a machine takes. */
  | { readonly kind: "found"; readonly file: string }
  | { readonly kind: "failed"; readonly error: KelpieError };

/** The report as a line. */
export function reportLine(report: ChildReport): string {
  return `${JSON.stringify(report)}\n`;
}

const text = (maxCharacters: number) => z.string().max(maxCharacters).transform(printable);
const words = text(8192).optional();
const schema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("entering") }),
  z.strictObject({ kind: z.literal("found"), file: text(4096) }),
  z.strictObject({
    kind: z.literal("failed"),
    error: z
      .object({
        code: z.custom<KelpieErrorCode>(
          (code) => typeof code === "string" && Object.hasOwn(errorCodes, code),
        ),
        message: text(8192),
        ...{ expected: words, found: words, where: words, help: words },
      })
      .transform(({ code, message, ...details }) => {
        const said = Object.entries(details).filter(([, value]) => value !== undefined);
        return new KelpieError(code, message, Object.fromEntries(said));
      }),
  }),
]);

/**
 * The report at the beginning of `output`, which is left paused at the byte after it. Undefined where the output ends
 * before a whole line, so that its exit says more. `malformed` for a line that is none; the signal's reason.
 */
export async function readReport(output: Readable, signal: AbortSignal): Promise<ChildReport | undefined> {
  const line = await orAborted(firstLine(output), signal);
  if (line === undefined) return undefined;
  const report = schema.safeParse(tryParseJson(line)).data;
  if (report !== undefined) return report;
  throw new KelpieError("malformed", "The process of a libkrun machine says something else than it should", {
    found: JSON.stringify(line.slice(0, 200)),
  });
}

/** A longer line than any report counts as a whole one. */
function firstLine(output: Readable): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  let seen = Buffer.alloc(0);
  const settle = (line: string | undefined): void => {
    output.pause();
    for (const [event, listener] of listeners) output.off(event, listener);
    resolve(line);
  };
  const onData = (chunk: Buffer): void => {
    seen = Buffer.concat([seen, chunk]);
    const end = seen.indexOf("\n");
    if (end === -1 && seen.length <= lineLimitBytes) return;
    const line = seen.subarray(0, end === -1 ? lineLimitBytes : end).toString("utf8");
    settle(line);
    if (end !== -1 && end + 1 < seen.length) output.unshift(seen.subarray(end + 1));
  };
  const onEnd = (): void => settle(undefined);
  const listeners = [
    ["data", onData],
    ["end", onEnd],
    ["close", onEnd],
    ["error", onEnd],
  ] as const;
  for (const [event, listener] of listeners) output.on(event, listener);
  return promise;
}
