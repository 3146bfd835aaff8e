// Help as a person sees it on a terminal of some width.

import assert from "node:assert/strict";
import { test } from "node:test";
import { command, type CommandEntry } from "./command.ts";
import { commandHelp, overview } from "./help.ts";

const example = command({
  positionals: "SANDBOX",
  options: {
    "a-long-name": {
      type: "string",
      value: "VALUE",
      help: "what it does, in a sentence that goes on for quite a while",
    },
    short: { type: "boolean", help: "a word" },
  },
  details: "What else there is to say of it, which is more than fits on a line of a small terminal.",
  run: () => Promise.resolve(0),
});
const entry: CommandEntry = { path: ["x"], summary: "A command", load: () => Promise.resolve(example) };

for (const columns of [40, 60, 80, 200]) {
  test(`no line of help is wider than a terminal of ${columns} columns, and no word is lost`, () => {
    const text = commandHelp(entry, example, columns);
    const widest = Math.max(...text.split("\n").map((line) => line.length));
    assert.ok(widest < columns, `${widest} columns:\n${text}`);
    const words = (of: string): string[] => of.split(/\s+/);
    assert.deepEqual(words(text), words(commandHelp(entry, example)));
    assert.deepEqual(words(overview([entry], columns)), words(overview([entry])));
  });
}
