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
  /** What only a program that talks to the person key by key needs. */
  readonly keys: TerminalKeys;
}

/** A size in characters. */
export interface TerminalSize {
  readonly rows: number;
  readonly columns: number;
}

/** The terminal's keys, size and signals, each handed over until what is returned is disposed. */
export interface TerminalKeys {
  /** The size of the terminal on stdout, or undefined. */
  size(): TerminalSize | undefined;
  /** Calls `listener` when the size has changed. */
  onResize(listener: () => void): Disposable;
  /** Every key comes through stdin at once and unechoed, Ctrl-C included. Nothing happens where stdin is no terminal. */
  raw(): Disposable;
  /** SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1 and SIGUSR2 come to `listener` by number instead of ending the program. */
  takeSignals(listener: (number: number) => void): Disposable;
}
