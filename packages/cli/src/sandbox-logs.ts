// The logs of a sandbox as the command prints them.

import { printable } from "@kelpie/platform";
import { findSandbox, followLog, type LogKind, readLog, Sandbox } from "@kelpie/sandbox";
import type { CommandContext } from "./command.ts";

const agentLog = "/var/log/kelpie-guest.log";

/** Prints a log, and with `follow` what comes to it. The agent's is read in the guest, which must run. */
export async function printLogs(
  context: CommandContext,
  reference: string,
  which: LogKind | "agent",
  follow: boolean,
): Promise<void> {
  const { platform, terminal, home, signal } = context;
  if (which === "agent") {
    await printAgentLog(context, reference, follow);
    return;
  }
  const sandbox = await findSandbox(platform, home, reference);
  if (!follow) {
    terminal.stdout.write(await readLog(platform, sandbox, which));
    return;
  }
  for await (const text of followLog(platform, sandbox, which, signal)) terminal.stdout.write(text);
}

async function printAgentLog(
  { platform, terminal, home, signal }: CommandContext,
  reference: string,
  follow: boolean,
): Promise<void> {
  await using sandbox = await Sandbox.open(reference, { platform, home, signal });
  const old = `cat ${agentLog}.1 2>/dev/null;`;
  const script = follow ? `${old} exec tail -n +1 -F ${agentLog}` : `${old} cat ${agentLog}`;
  const decoder = new TextDecoder();
  for await (const step of sandbox.exec({ argv: ["/bin/sh", "-c", script] }, signal)) {
    if (step.kind === "stdout")
      terminal.stdout.write(printable(decoder.decode(step.bytes, { stream: true })));
  }
}
