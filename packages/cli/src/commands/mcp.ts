// kelpie mcp

import { once } from "node:events";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { attachmentOptions } from "../attachment-options.ts";
import { command } from "../command.ts";
import { createMcpServer } from "../mcp/server.ts";
import { sandboxTools } from "../mcp/sandbox-tools.ts";
import type { GuestTools } from "../mcp/guest-tools.ts";
import { makeSandbox, sandboxOptions } from "../sandbox-options.ts";

export const mcp = command({
  options: { ...sandboxOptions, ...attachmentOptions },
  details:
    'A Model Context Protocol server on standard input and output. A session has one sandbox, started by the first tool that\nis used, and gone at the end of the input. In a client\'s configuration:\n  {"mcpServers": {"kelpie": {"command": "/path/to/kelpie", "args": ["mcp"]}}}',
  async run(context, { options }) {
    const { terminal, signal } = context;
    await using resources = new AsyncDisposableStack();
    let guest: Promise<GuestTools> | undefined;
    const start = async (): Promise<GuestTools> => {
      const sandbox = await makeSandbox(context, options, { attached: options });
      resources.use(sandbox);
      resources.defer(async () => {
        if (signal.aborted) return;
        for (const report of await sandbox.finish(signal)) terminal.stderr.write(`kelpie: ${report}\n`);
      });
      return sandboxTools(sandbox);
    };
    const current = (): Promise<GuestTools> => {
      guest ??= start().catch((error: unknown) => {
        // The next use tries again.
        guest = undefined;
        throw error;
      });
      return guest;
    };
    const server = createMcpServer(protocolVersion, current);
    resources.defer(() => server.close());
    const ended = once(terminal.stdin, "end", { signal });
    await server.connect(new StdioServerTransport(terminal.stdin, terminal.stdout));
    await ended.catch(() => undefined);
    // A sandbox that is still starting is waited for, so that it can be ended.
    await guest?.catch(() => undefined);
    return 0;
  },
});

/** Of the tools: counts up when what a client sees changes. */
const protocolVersion = "1.0.0";
