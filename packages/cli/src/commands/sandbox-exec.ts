// kelpie sandbox exec

import { KelpieError } from "@kelpie/platform";
import { Sandbox } from "@kelpie/sandbox";
import { command } from "../command.ts";
import type { SandboxExecJson } from "../json/sandbox-exec.ts";
import { printJson } from "../output/json.ts";
import { parseSeconds } from "../quantity.ts";
import { execIn } from "../sandbox-exec.ts";
import { parseEnvironment } from "../sandbox-options.ts";

const example = "kelpie sandbox exec brave-kelpie -- uname -a";

export const sandboxExec = command({
  positionals: "SANDBOX -- COMMAND [ARG…]",
  passThrough: true,
  errorExitCode: 125,
  options: {
    interactive: { type: "boolean", short: "i", help: "Give it our standard input" },
    tty: { type: "boolean", short: "t", help: "Give it a terminal; ctrl-p ctrl-q leaves it running" },
    env: {
      type: "string",
      short: "e",
      multiple: true,
      value: "NAME=VALUE",
      help: "A variable of its environment; any number of times",
    },
    workdir: { type: "string", short: "w", value: "DIR", help: "Where it starts [default: the user's home]" },
    user: { type: "string", short: "u", value: "USER", help: "A name or number of a user [default: root]" },
    timeout: { type: "string", value: "TIME", help: "End it, and all that it started, after this long" },
    detach: { type: "boolean", short: "d", help: "Let it go on by itself, and print its name for `attach`" },
  },
  json: () => import("../json/sandbox-exec.ts"),
  details:
    "Signals are passed on. Exits as the command does: its code, 128 + N if signal N ended it, 124 at the timeout, 126 where\nthe command is not executable, 127 where it is not found, 125 where Kelpie failed.",
  async run({ platform, terminal, home, signal }, { options, positionals, json }) {
    const [reference, ...words] = positionals;
    const [program, ...args] = words[0] === "--" ? words.slice(1) : words;
    if (reference === undefined || program === undefined) {
      throw new KelpieError("usage", "This command needs a sandbox and a command", {
        help: `For example: ${example}`,
      });
    }
    const { workdir, user, timeout } = options;
    const request = {
      argv: [program, ...args] as const,
      env: parseEnvironment(options.env ?? []),
      ...(workdir === undefined ? {} : { cwd: workdir }),
      ...(user === undefined ? {} : { user: /^\d+$/.test(user) ? Number(user) : user }),
      ...(timeout === undefined ? {} : { timeoutMs: 1000 * parseSeconds(timeout) }),
    };
    if (json && options.detach !== true) {
      throw new KelpieError("usage", "--json goes with --detach", {
        help: "Without it, what the command prints is what is printed.",
      });
    }
    await using sandbox = await Sandbox.open(reference, { platform, home, signal });
    if (options.detach === true) {
      const started = await sandbox.spawn(request, signal);
      if ("kind" in started) {
        throw new KelpieError("guest-refused", `Cannot start ${program}`, { found: started.message });
      }
      const { id, name } = sandbox;
      if (json) printJson<SandboxExecJson>(terminal, { process: started.id, sandbox: { id, name } });
      else terminal.stdout.write(`${started.id}\n`);
      return 0;
    }
    const tty = options.tty === true;
    const joined = { stdin: options.interactive === true, terminal: tty, detachKeys: tty };
    return await execIn(sandbox, terminal, request, joined, signal);
  },
});
