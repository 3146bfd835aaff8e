// Where images are downloaded from: registries, release pages and directories, as a person lists them.

import { join, resolve } from "node:path";
import { KelpieError, type Platform } from "@kelpie/platform";
import { parse } from "yaml";
import { z } from "zod";
import { isLoopbackHost, parseRepository, type RepositoryName } from "../oci/reference.ts";

/** A place that may have images. */
export type ImageSource =
  | { readonly kind: "registry"; readonly repository: RepositoryName; readonly text: string }
  /** The URL below which release assets and SHA256SUMS stand; `{version}` and `{release}` in it are filled in. */
  | { readonly kind: "release"; readonly baseUrl: string; readonly text: string }
  | { readonly kind: "directory"; readonly path: string; readonly text: string };

const maxConfigBytes = 1 << 20;
const configSchema = z.looseObject({ sources: z.array(z.string().min(1).max(2048)).max(64).optional() });

/**
 * The sources that KELPIE_IMAGE_SOURCES names, separated by spaces, or else those that `config.yaml` in KELPIE_HOME lists;
 * none where there is neither.
 *
 * @throws KelpieError `invalid-input` naming what is wrong in it.
 */
export async function configuredSources(
  { files, host }: Pick<Platform, "files" | "host">,
  home: string,
  imageName: string,
): Promise<readonly ImageSource[]> {
  const named = (host.environment["KELPIE_IMAGE_SOURCES"] ?? "")
    .split(/\s+/)
    .filter((source) => source !== "");
  if (named.length > 0)
    return named.map((source) => parseSource(source, host, host.workingDirectory, imageName));
  const path = join(home, "config.yaml");
  if ((await files.stat(path)) === undefined) return [];
  const text = new TextDecoder().decode(await files.readFile(path, maxConfigBytes));
  const { sources = [] } = parseConfig(text, path);
  return sources.map((source) => parseSource(source, host, home, imageName));
}

/**
 * Parses one source: an https URL, a path that begins with `/`, `./`, `../` or `~/`, or a repository of a registry.
 *
 * @param base the directory that relative paths start from.
 * @throws KelpieError `usage`.
 */
export function parseSource(
  text: string,
  { homeDirectory }: Pick<Platform["host"], "homeDirectory">,
  base: string,
  imageName: string,
): ImageSource {
  if (/^https?:\/\//.test(text)) return { kind: "release", baseUrl: checkUrl(text), text };
  if (text.startsWith("~/")) return { kind: "directory", path: join(homeDirectory, text.slice(2)), text };
  if (/^\.{0,2}\//.test(text) || text === "." || text === "..")
    return { kind: "directory", path: resolve(base, text), text };
  return { kind: "registry", repository: parseRepository(text, imageName), text };
}

function checkUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isSafe = url?.protocol === "https:" || (url !== undefined && isLoopbackHost(url.hostname));
  if (isSafe && url.search === "" && url.hash === "" && url.username === "") return text.replace(/\/+$/, "");
  throw new KelpieError("usage", "Images cannot be downloaded from there", {
    expected: "an https URL without user, query and fragment",
    found: JSON.stringify(text.slice(0, 200)),
  });
}

function parseConfig(text: string, where: string): z.infer<typeof configSchema> {
  let value: unknown;
  try {
    value = parse(text, { maxAliasCount: 0, logLevel: "error" });
  } catch (cause) {
    throw new KelpieError("invalid-input", "The configuration is not YAML", { where, cause });
  }
  const result = configSchema.safeParse(value ?? {});
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new KelpieError("invalid-input", "The configuration is not as expected", {
    expected: "sources: a list of registries, release URLs and directories",
    where,
    ...(issue === undefined ? {} : { found: `${issue.path.join(".") || "the document"}: ${issue.message}` }),
  });
}
