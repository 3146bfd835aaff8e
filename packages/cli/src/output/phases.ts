// Progress for people: a line for each phase with its time; on a terminal also what is going on now.

import type { Clock, Terminal } from "@kelpie/platform";

const nameWidth = 12;
/** Without a terminal, how often at the most a long phase says what it does. */
const plainIntervalMs = 10_000;

/** Prints phases and their times to stderr. */
export class Phases {
  readonly #terminal: Terminal;
  readonly #clock: Clock;
  #lastLineMs: number;

  constructor(terminal: Terminal, clock: Clock) {
    this.#terminal = terminal;
    this.#clock = clock;
    this.#lastLineMs = clock.monotonicMs();
  }

  /** Runs `work` as the phase `name` and prints its time and what it says of its outcome. */
  async run<T>(
    name: string,
    work: (note: (text: string) => void) => Promise<T>,
    outcome: (result: T) => string,
  ): Promise<T> {
    const start = this.#clock.monotonicMs();
    this.now(name, "");
    try {
      const result = await work((text) => this.now(name, text));
      this.done(name, this.#clock.monotonicMs() - start, outcome(result));
      return result;
    } catch (error) {
      this.#erase();
      throw error;
    }
  }

  /** Shows what is going on: at once where that can be taken back, else now and then. */
  now(name: string, text: string): void {
    if (!this.#terminal.isTerminal.stderr) {
      if (text !== "" && this.#clock.monotonicMs() - this.#lastLineMs >= plainIntervalMs) {
        this.say(`  ${name.padEnd(nameWidth)} … ${text}`);
      }
      return;
    }
    const columns = this.#terminal.columns ?? 80;
    this.#erase();
    this.#terminal.stderr.write(`  ${name.padEnd(nameWidth)} … ${text}`.slice(0, columns - 1));
  }

  /** Prints a finished phase. */
  done(name: string, durationMs: number, text: string): void {
    this.#erase();
    this.#lastLineMs = this.#clock.monotonicMs();
    const seconds = `${(durationMs / 1000).toFixed(2)} s`;
    this.#terminal.stderr.write(
      `  ${name.padEnd(nameWidth)} ${seconds.padStart(9)}  ${text}`.trimEnd() + "\n",
    );
  }

  /** Prints a line of its own between phases. */
  say(text: string): void {
    this.#lastLineMs = this.#clock.monotonicMs();
    this.#erase();
    this.#terminal.stderr.write(`${text}\n`);
  }

  #erase(): void {
    if (this.#terminal.isTerminal.stderr) this.#terminal.stderr.write("\r\u001b[K");
  }
}
