// A sandbox that outlives the process that made it: node examples/lives-on.ts
import { findSandbox, removeSandbox, Sandbox } from "@kelpie/sandbox";
import { KelpieError, kelpieHome, realPlatform } from "@kelpie/platform";

let name: string;
{
  await using made = await Sandbox.create({ keep: { ttlMs: 600_000 } });
  name = made.name;
}

// From here on it could be another process, on another day: `kelpie sandbox exec NAME -- …` is one.
{
  await using opened = await Sandbox.open(name);
  await opened.exec({ argv: ["sh", "-c", "echo kept > /workspace/note"] }).collect();
  await opened.pause();
  await opened.resume();
}
{
  await using again = await Sandbox.open(name);
  console.log(
    Buffer.from(await again.files.readAll("/workspace/note"))
      .toString()
      .trimEnd(),
  );
  console.log((await again.shutdown()).kind);
}

try {
  await Sandbox.open(name);
} catch (error) {
  // Every failure that Kelpie foresees is a KelpieError with a code.
  console.log(KelpieError.is(error) ? error.code : error);
}
await removeSandbox(realPlatform, await findSandbox(realPlatform, kelpieHome(realPlatform.host), name));
