// An agent's loop: a model writes code, a sandbox runs it, the model sees what came of it: node examples/ai-agent.ts
//
// The model here is a list of answers, so that the example needs no network. Put yours in its place.
import { Sandbox } from "@kelpie/sandbox";

type Turn = { readonly role: "user" | "assistant" | "tool"; readonly text: string };
type Model = (turns: readonly Turn[]) => Promise<{ readonly code: string } | { readonly answer: string }>;

const secondsPerRun = 20;
const mostTurns = 8;
const outputLimitBytes = 64 << 10;

const scripted: Model = (turns) => {
  const results = turns.filter(({ role }) => role === "tool");
  if (results.length === 0) return Promise.resolve({ code: "expr 6 x 7" });
  if (results.length === 1) return Promise.resolve({ code: "expr 6 '*' 7" });
  return Promise.resolve({ answer: `It is ${results.at(-1)?.text.trim() ?? "nothing"}.` });
};

async function solve(question: string, model: Model): Promise<string> {
  // No network, nothing of this machine: whatever the model writes stays in here, and goes with it.
  await using sandbox = await Sandbox.create({ memoryMiB: 256, pidsLimit: 100 });
  const turns: Turn[] = [{ role: "user", text: question }];
  for (let turn = 0; turn < mostTurns; turn++) {
    const next = await model(turns);
    if ("answer" in next) return next.answer;
    const request = { argv: ["sh", "-c", next.code] as const, timeoutMs: 1000 * secondsPerRun };
    const { stdout, stderr, end } = await sandbox.exec(request).collect(outputLimitBytes);
    const how = end.kind === "exited" && end.code === 0 ? "" : `\n(${JSON.stringify(end)})`;
    turns.push({ role: "assistant", text: next.code });
    turns.push({
      role: "tool",
      text: `${Buffer.from(stdout).toString()}${Buffer.from(stderr).toString()}${how}`,
    });
  }
  return "I do not know.";
}

console.log(await solve("What is six times seven?", scripted));
