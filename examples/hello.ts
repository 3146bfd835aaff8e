// A command in a micro-VM of its own: node examples/hello.ts
import { Sandbox } from "@kelpie/sandbox";

await using sandbox = await Sandbox.create();
const { stdout, end } = await sandbox.exec({ argv: ["sh", "-c", "echo hello from $(uname -r)"] }).collect();
console.log(Buffer.from(stdout).toString().trimEnd(), end);
