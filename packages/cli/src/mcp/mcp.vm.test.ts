// A session of `kelpie mcp` with a real sandbox, by the protocol's own client over standard input and output.

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { makeHome, root, succeeds } from "../testing/kelpie-command.ts";

const home = mkdtempSync(join(tmpdir(), "kelpie-mcp-"));

before(() => makeHome(home));

after(() => rmSync(home, { recursive: true, force: true }));

test("a model writes, runs, reads and lists in one sandbox, which is gone with the session", async () => {
  succeeds(home, ["images", "build", "--spec", "images/kelpie-debian.yaml"]);
  const env = { ...(process.env as Record<string, string>), KELPIE_HOME: home };
  const command = join(root, "kelpie");
  const client = new Client({ name: "a test", version: "0.0.0" });
  await client.connect(new StdioClientTransport({ command, args: ["mcp"], env, cwd: root }));
  const call = async (name: string, args: Record<string, unknown>): Promise<string> => {
    const { content } = await client.callTool({ name, arguments: args }, undefined, { timeout: 120_000 });
    return (content as { text: string }[]).map(({ text }) => text).join("\n");
  };

  assert.equal(
    await call("write", {
      path: "/workspace/deep/job.sh",
      content: "echo $((6 * 7)); echo no >&2; exit 5\n",
    }),
    "/workspace/deep/job.sh has 37 bytes now.",
  );
  assert.equal(
    await call("run", { command: "sh deep/job.sh" }),
    "stdout:\n42\n\nstderr:\nno\n\nExit code 5.",
  );
  assert.match(await call("run", { command: "sleep 60", timeout_seconds: 0.5 }), /its time was up/);
  assert.match(await call("run", { command: "yes | head -c 1000000" }), /\[967232 bytes left out\]/);
  assert.match(await call("read", { path: "/workspace/deep/job.sh" }), /^echo \$\(\(6 \* 7\)\)/);
  assert.match(await call("read", { path: "/etc/no-such-file" }), /^not-found: /);
  assert.equal(await call("list", { path: "/workspace" }), "deep (directory)");

  await client.close();
  assert.deepEqual(readdirSync(join(home, "sandboxes")), []);
});
