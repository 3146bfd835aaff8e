// The standard streams and what is known of the person behind them.

import type { Readable, Writable } from "node:stream";

export interface Terminal {
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  /** Whether each is a terminal rather than a pipe or a file. */
  readonly isTerminal: { readonly stdin: boolean; readonly stdout: boolean; readonly stderr: boolean };
  /** Width of the terminal on stderr, or undefined. */
  readonly columns: number | undefined;
}
