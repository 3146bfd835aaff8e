// The frame of a program that hands its standard streams over to native code.

import { writeSync } from "node:fs";

const standardOutput = 1;
const standardError = 2;

/** Writes to a stream at once, as a whole. */
export interface BareStreams {
  out(text: string): void;
  error(text: string): void;
}

/**
 * Runs a program to its end; the returned number is its exit code. As soon as Node.js has a stream object for standard output
 * or error, that is put into non-blocking mode, and native code that writes to it loses what does not fit. Here it
 * stays as it was inherited, so `main` must not touch such objects, and signals do what they do by default.
 */
export async function runBare(
  main: (args: readonly string[], streams: BareStreams) => Promise<number>,
): Promise<void> {
  const streams: BareStreams = {
    out: (text) => writeAll(standardOutput, text),
    error: (text) => writeAll(standardError, text),
  };
  process.exitCode = await main(process.argv.slice(2), streams);
}

function writeAll(descriptor: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
}
