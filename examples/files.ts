// Files in and out, and output as it comes: node examples/files.ts
import { Sandbox } from "@kelpie/sandbox";

await using sandbox = await Sandbox.create({ memoryMiB: 256, env: { LC_ALL: "C" } });

await sandbox.files.write("/workspace/words.txt", Buffer.from("pear\napple\nfig\n"));

const sort = sandbox.exec({ argv: ["sort", "words.txt"], cwd: "/workspace", timeoutMs: 10_000 });
for await (const piece of sort) {
  if (piece.kind === "stdout") console.log(Buffer.from(piece.bytes).toString().trimEnd());
}

for await (const { path, sizeBytes } of sandbox.files.list("/workspace")) console.log(path, sizeBytes);
