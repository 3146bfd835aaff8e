// The tools' sandbox, for real.

import { KelpieError } from "@kelpie/platform";
import { exitCodeOf, type Sandbox, workspaceTarget } from "@kelpie/sandbox";
import type { GuestTools, ListedFile } from "./guest-tools.ts";
import { OutputEnds } from "./output-ends.ts";

/** Of each of a command's two streams, the first and the last of so many bytes are shown. */
const halfOutputBytes = 16 << 10;
/** A directory with more names than this is not listed: no model can read it. */
const listLimit = 10_000;

/** The tools in `sandbox`. */
export function sandboxTools(sandbox: Sandbox): GuestTools {
  const { files } = sandbox.agent;
  return {
    async run(command, { timeoutMs, signal }) {
      const ends = { stdout: new OutputEnds(halfOutputBytes), stderr: new OutputEnds(halfOutputBytes) };
      const request = { argv: ["sh", "-c", command], cwd: workspaceTarget, timeoutMs } as const;
      const events = sandbox.exec(request, signal)[Symbol.asyncIterator]();
      for (;;) {
        const step = await events.next();
        if (step.done === true) {
          const end = step.value;
          const timedOut = end.kind !== "not-started" && end.cause === "timed-out";
          const [stdout, stderr] = [ends.stdout.text(), ends.stderr.text()];
          return { exitCode: exitCodeOf(end), stdout, stderr, timedOut };
        }
        if (step.value.kind !== "lost") ends[step.value.kind].add(step.value.bytes);
      }
    },
    async read(path, { offset, maxBytes, signal }) {
      const file = await files.stat(path, { signal });
      if (file === undefined) throw new KelpieError("not-found", `There is no ${path}`);
      const chunks: Uint8Array[] = [];
      const part = { offsetBytes: offset, lengthBytes: maxBytes, signal };
      for await (const chunk of files.read(path, part)) chunks.push(chunk);
      return { bytes: Buffer.concat(chunks).subarray(0, maxBytes), sizeBytes: file.sizeBytes };
    },
    async write(path, content, signal) {
      await files.write(path, content, { parents: true, signal });
    },
    async list(path, signal) {
      const listed: ListedFile[] = [];
      for await (const { path: name, kind, sizeBytes } of files.list(path, { signal })) {
        if (listed.length === listLimit) {
          throw new KelpieError("limit-exceeded", `${path} has too many names`, {
            expected: `at most ${listLimit}`,
            help: "Look for what you need with run.",
          });
        }
        const known = kind === "file" || kind === "directory" || kind === "symlink";
        listed.push({ name, kind: known ? kind : "other", sizeBytes });
      }
      return listed;
    },
  };
}
