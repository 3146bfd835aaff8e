// What a guest writes to its console, kept within bounds whatever the guest does.

import { printable } from "@kelpie/platform";
import { ByteTail } from "./byte-tail.ts";

const headLimitBytes = 64 << 10;
const tailLimitBytes = 64 << 10;
const lineLimitCharacters = 1024;
const marker = /kelpie: (?:init (?<stage>[a-z-]{1,32})|(?<ready>agent ready))/;

/**
 * The first 64 KiB and at least the last 64 KiB of a guest's console.
 * A guest is hostile: its bytes reach a person only as printable text.
 */
export class ConsoleLog {
  readonly #head: Uint8Array[] = [];
  #headBytes = 0;
  readonly #tail = new ByteTail(tailLimitBytes);
  readonly #decoder = new TextDecoder();
  #unfinishedLine = "";
  #stage: string | undefined;
  readonly #agentReady = Promise.withResolvers<undefined>();

  /** Resolves when the guest says that its agent serves; it may lie, or never say so. */
  get agentReady(): Promise<undefined> {
    return this.#agentReady.promise;
  }

  /** The last stage that the guest named (`kelpie: init <stage>`), or `agent ready`. */
  get stage(): string | undefined {
    return this.#stage;
  }

  /** Whether the guest has written nothing yet. */
  get isEmpty(): boolean {
    return this.#headBytes === 0;
  }

  /** Takes the next bytes. */
  append(bytes: Uint8Array): void {
    const first = bytes.subarray(0, headLimitBytes - this.#headBytes);
    if (first.length > 0) this.#head.push(first);
    this.#headBytes += first.length;
    if (first.length < bytes.length) this.#tail.append(bytes.subarray(first.length));
    this.#readMarkers(bytes);
  }

  /** All that was kept; a line between beginning and end says how much is missing. */
  text(): string {
    const { lostBytes } = this.#tail;
    const gap = lostBytes === 0 ? "" : `\n[${lostBytes} bytes of console output left out]\n`;
    const decode = (bytes: Uint8Array): string => printable(Buffer.from(bytes).toString("utf8"));
    return `${decode(Buffer.concat(this.#head))}${gap}${decode(this.#tail.bytes())}`;
  }

  /** The last `count` lines that are not blank. */
  lastLines(count: number): string[] {
    return this.text()
      .split("\n")
      .map((line) => line.trimEnd())
      .filter((line) => line !== "")
      .slice(-count);
  }

  #readMarkers(bytes: Uint8Array): void {
    const lines = (this.#unfinishedLine + this.#decoder.decode(bytes, { stream: true })).split("\n");
    this.#unfinishedLine = (lines.pop() ?? "").slice(0, lineLimitCharacters);
    for (const line of lines) {
      const groups = marker.exec(line.slice(0, lineLimitCharacters))?.groups;
      this.#stage = groups?.["stage"] ?? groups?.["ready"] ?? this.#stage;
      if (groups?.["ready"] !== undefined) this.#agentReady.resolve(undefined);
    }
  }
}
