// The tools of `kelpie mcp`, after the Model Context Protocol: one sandbox for a session, started by the first use.

import { KelpieError } from "@kelpie/platform";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import type { CallToolResult } from "@modelcontextprotocol/sdk/types.js";
import { z } from "zod";
import type { GuestTools, ListedFile, RunResult } from "./guest-tools.ts";

const longestRunSeconds = 3600;
const usualRunSeconds = 60;
const maxReadBytes = 64 << 10;
const maxWriteCharacters = 8 << 20;
const maxListed = 1000;

const path = z.string().min(1).max(4095).describe("An absolute path in the sandbox");

/** Makes the server. `guest` gives the session's sandbox, and starts it at the first call. */
export function createMcpServer(version: string, guest: () => Promise<GuestTools>): McpServer {
  const server = new McpServer({ name: "kelpie", version }, { instructions });

  server.registerTool(
    "run",
    {
      title: "Run a command",
      description: "Runs a shell command in the sandbox and returns its exit code and what it wrote.",
      inputSchema: {
        command: z.string().min(1).describe("A command line for sh"),
        timeout_seconds: z
          .number()
          .positive()
          .max(longestRunSeconds)
          .optional()
          .describe(`When to end it and all that it started; ${usualRunSeconds} unless given`),
      },
    },
    ({ command, timeout_seconds = usualRunSeconds }, { signal }) =>
      answer(async () =>
        runText(await (await guest()).run(command, { timeoutMs: 1000 * timeout_seconds, signal })),
      ),
  );

  server.registerTool(
    "read",
    {
      title: "Read a file",
      description: `Returns the text of a file of the sandbox, at most ${maxReadBytes} bytes of it.`,
      inputSchema: {
        path,
        offset: z.number().int().nonnegative().optional().describe("The byte to begin at; 0 unless given"),
      },
      annotations: { readOnlyHint: true },
    },
    ({ path: wanted, offset = 0 }, { signal }) =>
      answer(async () => {
        const { bytes, sizeBytes } = await (await guest()).read(wanted, {
          offset,
          maxBytes: maxReadBytes,
          signal,
        });
        const end = offset + bytes.length;
        const more =
          end < sizeBytes ? [`${sizeBytes - end} more bytes follow; go on with offset ${end}.`] : [];
        return [new TextDecoder().decode(bytes), ...more];
      }),
  );

  server.registerTool(
    "write",
    {
      title: "Write a file",
      description: "Makes or replaces a file of the sandbox, with the directories above it.",
      inputSchema: {
        path,
        content: z.string().max(maxWriteCharacters).describe("The whole text of the file"),
      },
    },
    ({ path: wanted, content }, { signal }) =>
      answer(async () => {
        const bytes = new TextEncoder().encode(content);
        await (await guest()).write(wanted, bytes, signal);
        return [`${wanted} has ${bytes.length} bytes now.`];
      }),
  );

  server.registerTool(
    "list",
    {
      title: "List a directory",
      description: `Returns the names in a directory of the sandbox, at most ${maxListed}.`,
      inputSchema: { path },
      annotations: { readOnlyHint: true },
    },
    ({ path: wanted }, { signal }) =>
      answer(async () => listText(await (await guest()).list(wanted, signal))),
  );

  return server;
}

const instructions =
  "A Linux virtual machine of your own; run starts in /workspace. What is in it lasts until this session ends. It reaches no network and no file outside unless the person who started it allowed that.";

/** A tool's answer: its texts, or what failed in words that help the model to go on. */
async function answer(call: () => Promise<readonly string[]>): Promise<CallToolResult> {
  try {
    return { content: (await call()).map((text) => ({ type: "text", text })) };
  } catch (error) {
    if (!KelpieError.is(error)) throw error;
    const words = [`${error.code}: ${error.message}`, ...(error.help === undefined ? [] : [error.help])];
    return { isError: true, content: words.map((text) => ({ type: "text", text })) };
  }
}

function runText({ exitCode, stdout, stderr, timedOut }: RunResult): string[] {
  const ending = timedOut ? "It was ended because its time was up." : `Exit code ${exitCode}.`;
  return [
    ...(stdout === "" ? [] : [`stdout:\n${stdout}`]),
    ...(stderr === "" ? [] : [`stderr:\n${stderr}`]),
    ending,
  ];
}

function listText(files: readonly ListedFile[]): string[] {
  if (files.length === 0) return ["It is empty."];
  const shown = files
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .slice(0, maxListed)
    .map(({ name, kind, sizeBytes }) =>
      kind === "file" ? `${name} ${sizeBytes} bytes` : `${name} (${kind})`,
    );
  const left = files.length - shown.length;
  return [shown.join("\n"), ...(left > 0 ? [`${left} more are not shown.`] : [])];
}
