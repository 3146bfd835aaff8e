// What the options attach, and that none of them is passed over.

import assert from "node:assert/strict";
import { test } from "node:test";
import { KelpieError, realPlatform } from "@kelpie/platform";
import { type AttachmentValues, openAttachments } from "./attachment-options.ts";

async function descriptions(options: AttachmentValues): Promise<string[]> {
  const context = { platform: realPlatform, home: "/nowhere", signal: new AbortController().signal };
  return (await openAttachments(context, options)).map(({ description }) => description);
}

for (const { what, options, expected } of [
  { what: "nothing", options: {}, expected: [] },
  { what: "--net full", options: { net: "full" }, expected: [/^the whole network/] },
  {
    what: "--net allow=",
    options: { net: "allow=example.com" },
    expected: [/^the network, to example\.com/],
  },
  { what: "--publish", options: { publish: ["8080:80"] }, expected: [/:8080 leads to its port 80$/] },
  {
    what: "a workspace and a network",
    options: { workspace: import.meta.dirname, net: "full" },
    expected: [/\/workspace/, /^the whole network/],
  },
] as const satisfies readonly { what: string; options: AttachmentValues; expected: readonly RegExp[] }[]) {
  test(`${what} attaches ${expected.length === 0 ? "nothing" : "what it says, by itself"}`, async () => {
    const found = await descriptions(options);
    assert.equal(found.length, expected.length, found.join("\n"));
    for (const [index, expression] of expected.entries()) assert.match(found[index] ?? "", expression);
  });
}

for (const options of [{ net: "everything" }, { "workspace-transport": "pigeon" }, { publish: ["http"] }]) {
  test(`${JSON.stringify(options)} is refused though nothing is shared`, async () => {
    await assert.rejects(descriptions(options), (error) => KelpieError.is(error) && error.code === "usage");
  });
}
