// The forms of --json as they are published, and errors under it.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { NetworkEvent } from "@kelpie/sandbox";
import { Ajv2020 } from "ajv/dist/2020.js";
import formats from "ajv-formats";
import { commands } from "../commands/index.ts";
import { outputChecker } from "../testing/json-outputs.ts";
import { kelpieIn, makeHome, root } from "../testing/kelpie-command.ts";
import { describedOutputs, errorJsonSchema } from "./json-schema.ts";
import { errorReference, jsonReference } from "./reference.ts";
import type { SandboxNetLogJson } from "./sandbox-net-log.ts";

const outputs = await describedOutputs(commands);
const home = mkdtempSync(join(tmpdir(), "kelpie-json-"));
before(() => makeHome(home));
after(() => rmSync(home, { recursive: true, force: true }));

const { kelpie } = kelpieIn(home);

for (const [file, text] of [
  ["json.md", jsonReference(outputs, errorJsonSchema())],
  ["errors.md", errorReference()],
] as const) {
  test(`docs/${file} is what the code gives (node tools/write-reference.ts)`, () =>
    assert.equal(readFileSync(join(root, "docs", file), "utf8"), text));
}

test("every published schema is valid, asks for an object, lets fields be added and knows no null", () => {
  const ajv = new Ajv2020({ strict: true });
  formats.default(ajv);
  for (const { path, schema } of outputs) {
    ajv.compile(schema);
    assert.equal(schema.type, "object", path);
    assert.doesNotMatch(JSON.stringify(schema), /"additionalProperties":false|"null"/, path);
  }
});

test("kelpie schema prints one, or all of them, and names what there is for one that is not there", () => {
  const one: unknown = JSON.parse(kelpie(["schema", "images", "list"]).stdout);
  assert.deepEqual(one, outputs.find(({ path }) => path === "images list")?.schema);
  const all = JSON.parse(kelpie(["schema"]).stdout) as { $defs: Record<string, unknown> };
  assert.deepEqual(Object.keys(all.$defs), [...outputs.map(({ path }) => path), "error"]);
  const { code, stderr } = kelpie(["schema", "run"]);
  assert.equal(code, 2);
  assert.match(stderr, /images list/);
});

for (const { what, args, code } of [
  { what: "a failure", args: ["images", "inspect", "9.9", "--json"], code: 1 },
  { what: "an option that is none", args: ["images", "list", "--jason", "--json"], code: 2 },
  { what: "a missing value", args: ["images", "build", "--json", "--spec"], code: 2 },
  { what: "a command that is none", args: ["images", "burn", "--json"], code: 2 },
  { what: "a broken record", args: ["sandbox", "inspect", "none", "--json"], code: 1 },
  { what: "an exec that is not detached", args: ["sandbox", "exec", "--json", "one", "true"], code: 2 },
] as const) {
  test(`${what} under --json is an error of the published form, and exit code ${code}`, async () => {
    const ended = kelpie(args);
    assert.deepEqual([ended.code, ended.stderr], [code, ""]);
    (await outputChecker()).checkError(ended.stdout);
  });
}

test("--json behind a guest's command is the guest's", () => {
  const { stdout, stderr } = kelpie(["run", "--image", "9.9", "--", "tool", "--json", "--help"]);
  assert.equal(stdout, "");
  assert.match(stderr, /^kelpie: There is no/m);
});

test("every event of a network log has the published form", async () => {
  const time = "2026-01-15T12:00:00.000Z";
  const events: NetworkEvent[] = [
    { event: "name-denied", host: "a.example" },
    { event: "denied", host: "a.example", port: 80, reason: "not-allowed" },
    { event: "failed", host: "a.example", port: 80, reason: "refused" },
    { event: "connected", id: 1, host: "a.example", port: 80, address: "192.0.2.1" },
    { event: "connected", id: 3, host: "2001:db8::1", port: 123, transport: "udp", address: "2001:db8::1" },
    { event: "denied", host: "192.0.2.1", protocol: 1, reason: "not-allowed" },
    { event: "published", id: 2, port: 80 },
    { event: "turned-away", port: 80, reason: "too-many" },
    { event: "closed", id: 2, sentBytes: 1, receivedBytes: 2, failure: "reset" },
  ];
  const lines: SandboxNetLogJson[] = events.map((event) => ({ time, ...event }));
  const checker = await outputChecker();
  checker.check("sandbox net-log", lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  assert.throws(() => checker.check("sandbox net-log", '{"time":"now","event":"denied","port":"80"}\n'));
  assert.throws(() => checker.check("images remove", "{}"));
});
