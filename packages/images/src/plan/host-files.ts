// The files of the host that a spec takes in, each with the digest of what it holds now.

import { createHash } from "node:crypto";
import { join } from "node:path";
import { fileSource } from "@kelpie/formats";
import type { Files } from "@kelpie/platform";
import type { ImageSpec } from "../spec/image-spec.ts";
import type { HostFile } from "./image-plan.ts";

type Reader = Pick<Files, "open" | "list" | "lstat" | "stat" | "readLink">;

/** All files of overlays and all sources of the spec's `files`, in a fixed order. */
export async function hostFiles(
  files: Reader,
  { overlays, files: specFiles, init }: Pick<ImageSpec, "overlays" | "files" | "init">,
): Promise<readonly HostFile[]> {
  const found: HostFile[] = [];
  for (const [index, directory] of overlays.entries()) {
    found.push(...(await directoryFiles(files, directory, `overlay ${index}`)));
  }
  for (const [path, file] of Object.entries(specFiles).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (!("source" in file)) continue;
    const status = await files.stat(file.source);
    found.push({
      role: `file: ${path}`,
      content: await sha256Of(files, file.source),
      executable: ((status?.mode ?? 0) & 0o100) !== 0,
    });
  }
  for (const service of init.services) {
    if (!("source" in service)) continue;
    const content = await sha256Of(files, service.source);
    found.push({ role: `service: ${service.name}`, content, executable: true });
  }
  return found;
}

/** All that stands in a directory, under a role. */
export async function directoryFiles(
  files: Reader,
  directory: string,
  role: string,
): Promise<readonly HostFile[]> {
  const found: HostFile[] = [];
  for await (const file of below(files, directory, "", role)) found.push(file);
  return found;
}

/** "sha256:…" of a file's content. */
export async function sha256Of(files: Pick<Files, "open" | "stat">, path: string): Promise<string> {
  const hash = createHash("sha256");
  const sizeBytes = (await files.stat(path))?.sizeBytes ?? 0;
  for await (const chunk of fileSource(files, path, 0, sizeBytes).open()) hash.update(chunk);
  return `sha256:${hash.digest("hex")}`;
}

async function* below(
  files: Reader,
  directory: string,
  prefix: string,
  role: string,
): AsyncGenerator<HostFile> {
  for (const name of await files.list(directory)) {
    const path = join(directory, name);
    const place = `${prefix}${name}`;
    const status = await files.lstat(path);
    if (status?.kind === "directory") {
      yield { role: `${role}: ${place}/`, content: "directory", executable: false };
      yield* below(files, path, `${place}/`, role);
    } else if (status?.kind === "symlink") {
      yield { role: `${role}: ${place}`, content: `link:${await files.readLink(path)}`, executable: false };
    } else {
      yield {
        role: `${role}: ${place}`,
        content: await sha256Of(files, path),
        executable: ((status?.mode ?? 0) & 0o100) !== 0,
      };
    }
  }
}
