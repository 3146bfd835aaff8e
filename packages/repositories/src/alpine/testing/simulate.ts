// Has the real apk resolve a world over made-up repositories, without installing anything.

import { execFile } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { ApkJudge } from "./judge.ts";

const run = promisify(execFile);

/** An index to put before apk, as its text or as an archive that stands there already. */
export interface SimulatedRepository {
  readonly tag?: string | undefined;
  readonly index: string;
}

/** What apk would do: the packages in its order ("name (version)"), or its refusal. */
export type Verdict =
  | { readonly kind: "solved"; readonly packages: readonly string[] }
  | { readonly kind: "unresolvable"; readonly message: string };

/** Asks the judge. */
export async function simulate(
  judge: ApkJudge,
  repositories: readonly SimulatedRepository[],
  world: readonly string[],
): Promise<Verdict> {
  const lines: string[] = [];
  for (const [number, { tag, index }] of repositories.entries()) {
    const directory = join(judge.root, `srv/${number}/x86_64`);
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, "APKINDEX"), index);
    await run("tar", ["-C", directory, "-czf", join(directory, "APKINDEX.tar.gz"), "APKINDEX"]);
    lines.push(`${tag === undefined ? "" : `@${tag} `}/srv/${number}`);
  }
  await writeFile(join(judge.root, "srv/repositories"), `${lines.join("\n")}\n`);
  await rm(join(judge.root, "srv/root"), { recursive: true, force: true });
  const common = ["--root", "/srv/root", "--arch", "x86_64", "--no-network", "--allow-untrusted"];
  await judge.run(["apk", "add", ...common, "--initdb", "--quiet"]);
  const options = [...common, "--repositories-file", "/srv/repositories", "--simulate"];
  const { code, stdout, stderr } = await judge.run(["apk", "add", ...options, ...world]);
  if (code !== 0) return { kind: "unresolvable", message: stdout + stderr };
  const lineOfPackage = /^\(\d+\/\d+\) Installing ([^\s@]+)(?:@\S+)? (\(\S+\))/gm;
  const packages = [...stdout.matchAll(lineOfPackage)].map(
    ([, name = "", version = ""]) => `${name} ${version}`,
  );
  return { kind: "solved", packages };
}
