// A program on a terminal of its own (util-linux's script), typed to and read as a person does.

import { spawn } from "node:child_process";

/** A program on a terminal. */
export interface TestTerminal extends AsyncDisposable {
  type(text: string): void;
  /** Waits until what was printed since the last match has `expression`. */
  seen(expression: RegExp): Promise<void>;
  /** How the program ended. */
  exitCode(): Promise<number | null>;
}

/** Starts it; every wait ends after `timeoutMs`, with all that was printed. */
export function startTerminal(program: string, args: readonly string[], timeoutMs: number): TestTerminal {
  const words = [program, ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
  const child = spawn("script", ["--quiet", "--return", "--command", words, "/dev/null"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  let printed = "";
  let from = 0;
  let check = (): void => undefined;
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    printed += text;
    check();
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const within = async <T>(what: string, wait: Promise<T>): Promise<T> => {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => late.reject(new TypeError(`${what} not seen in:\n${printed.slice(from)}`)),
      timeoutMs,
    );
    return Promise.race([wait, late.promise]).finally(() => clearTimeout(timer));
  };
  return {
    type: (text) => void child.stdin.write(text),
    seen(expression) {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      check = () => {
        const found = expression.exec(printed.slice(from));
        if (found === null) return;
        from += found.index + found[0].length;
        check = () => undefined;
        resolve(undefined);
      };
      check();
      return within(String(expression), promise);
    },
    exitCode: () => within("the end", ended),
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
