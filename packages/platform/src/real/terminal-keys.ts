// The real terminal's keys, size and signals.

import type { TerminalKeys } from "../terminal.ts";

const passedOn = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGUSR1: 10, SIGUSR2: 12, SIGTERM: 15 } as const;

/** Who gets signals: the program's frame, or somebody who has asked for them. */
export class SignalTaker {
  #takers = 0;

  get isTaken(): boolean {
    return this.#takers > 0;
  }

  take(listener: (number: number) => void): Disposable {
    this.#takers++;
    const handlers = Object.entries(passedOn).map(([name, number]) => {
      const handler = (): void => listener(number);
      process.on(name, handler);
      return { name, handler };
    });
    return {
      [Symbol.dispose]: () => {
        this.#takers--;
        for (const { name, handler } of handlers) process.off(name, handler);
      },
    };
  }
}

/** See {@link TerminalKeys}. */
export function realKeys(signals: SignalTaker): TerminalKeys {
  const { stdin, stdout } = process;
  return {
    size: () => (stdout.isTTY ? { rows: stdout.rows, columns: stdout.columns } : undefined),
    onResize(listener) {
      stdout.on("resize", listener);
      return { [Symbol.dispose]: () => stdout.off("resize", listener) };
    },
    raw() {
      if (!stdin.isTTY) return { [Symbol.dispose]: () => undefined };
      stdin.setRawMode(true);
      return { [Symbol.dispose]: () => stdin.setRawMode(false) };
    },
    takeSignals: (listener) => signals.take(listener),
  };
}
