// Reads the host's apt sources: one-line *.list and deb822 *.sources files (sources.list(5)).

import { join } from "node:path";
import { describeError, KelpieError, type Platform, runChecked } from "@kelpie/platform";
import { type Field, parseDeb822 } from "../deb822.ts";

/** One place that the host takes binary packages from. */
export interface HostSource {
  readonly uri: string;
  readonly suite: string;
  readonly components: readonly string[];
  /** All other options, as fields of a deb822 source: Signed-By, Check-Valid-Until and the like. */
  readonly options: readonly Field[];
}

const maxFileBytes = 1 << 20;
const maxSources = 10_000;
/** What stands elsewhere in a {@link HostSource}, or is about which indexes are wanted: that is ours to say. */
const structural = [
  "types",
  "uris",
  "suites",
  "components",
  "architectures",
  "languages",
  "targets",
  "enabled",
  "pdiffs",
];
/** What would let apt take what it cannot verify. */
const insecure = ["trusted", "allow-insecure", "allow-weak", "allow-downgrade-to-insecure"];
/** One-line options whose deb822 field has another name. */
const fieldNames: Readonly<Record<string, string>> = {
  arch: "architectures",
  lang: "languages",
  target: "targets",
};

/**
 * The host's sources in the order in which apt reads them. A file that cannot be read or understood is reported and left
 * out: apt will say more about it than we could.
 */
export async function readHostSources(
  { files, processes, host }: Pick<Platform, "files" | "processes" | "host">,
  report: (line: string) => void,
): Promise<HostSource[]> {
  const { list, parts } = await sourcePaths({ processes, host });
  const names = (await files.stat(parts))?.kind === "directory" ? await files.list(parts) : [];
  const paths = [list, ...names.filter(isSourceName).map((name) => join(parts, name))];
  const sources: HostSource[] = [];
  for (const path of paths) {
    if ((await files.stat(path))?.kind !== "file") continue;
    try {
      const text = new TextDecoder().decode(await files.readFile(path, maxFileBytes));
      sources.push(...(path.endsWith(".sources") ? parseSourcesFile(text, path) : parseListFile(text, path)));
    } catch (error) {
      report(`apt's sources in ${path} are left out: ${describeError(error)}`);
    }
  }
  if (sources.length > maxSources)
    throw new KelpieError("limit-exceeded", "The host has too many apt sources");
  return sources;
}

/** A deb822 file: each stanza stands for every combination of its URIs and Suites. */
export function parseSourcesFile(text: string, where: string): HostSource[] {
  return parseDeb822(text, { where, comments: true }).flatMap((stanza) => {
    const words = (name: string): string[] =>
      (stanza.get(name) ?? "").split(/\s+/).filter((word) => word !== "");
    const isEnabled = !/^(no|false|0|off|without|disable)$/i.test(stanza.get("Enabled") ?? "yes");
    if (!isEnabled || !words("Types").includes("deb")) return [];
    const options = keptOptions(stanza.fields);
    const components = words("Components");
    return words("URIs").flatMap((uri) =>
      words("Suites").map((suite) => ({ uri, suite, components, options })),
    );
  });
}

/** A one-line file: "deb [ option=value … ] uri suite component…". Comments and deb-src lines are passed over. */
export function parseListFile(text: string, where: string): HostSource[] {
  return text.split("\n").flatMap((line, index) => {
    const content = line.replace(/#.*$/, "").trim();
    if (content === "" || content.startsWith("deb-src")) return [];
    const groups = /^deb\s+(?:\[(?<options>[^\]]*)\]\s*)?(?<uri>\S+)\s+(?<suite>\S+)(?<components>.*)$/.exec(
      content,
    )?.groups;
    const { options = "", uri, suite, components = "" } = groups ?? {};
    if (uri === undefined || suite === undefined) {
      throw new KelpieError("malformed", "Cannot read an apt source", {
        expected: '"deb [options] uri suite components"',
        found: JSON.stringify(content.slice(0, 200)),
        where: `${where}, line ${index + 1}`,
      });
    }
    const fields = options.split(/\s+/).flatMap((option): Field[] => {
      const [, name, value] = /^([a-z-]+)=(.+)$/i.exec(option) ?? [];
      if (name === undefined || value === undefined) return [];
      return [{ name: fieldNames[name.toLowerCase()] ?? name, value: value.replaceAll(",", " ") }];
    });
    const names = components.split(/\s+/).filter((word) => word !== "");
    return [{ uri, suite, components: names, options: keptOptions(fields) }];
  });
}

function keptOptions(fields: readonly Field[]): Field[] {
  return fields.filter(({ name }) => ![...structural, ...insecure].includes(name.toLowerCase()));
}

/** apt ignores files whose names have any other character, and editors' backups with them. */
function isSourceName(name: string): boolean {
  return /^[\w.-]+\.(list|sources)$/.test(name) && !name.startsWith(".");
}

async function sourcePaths({
  processes,
  host,
}: Pick<Platform, "processes" | "host">): Promise<{ readonly list: string; readonly parts: string }> {
  const { stdout } = await runChecked(
    processes,
    "apt-config",
    ["shell", "LIST", "Dir::Etc::sourcelist/f", "PARTS", "Dir::Etc::sourceparts/d"],
    { env: aptEnvironment(host) },
  );
  const text = new TextDecoder().decode(stdout);
  const value = (name: string): string =>
    new RegExp(`^${name}='(.*)'$`, "m").exec(text)?.[1] ?? "/nonexistent";
  return { list: value("LIST"), parts: value("PARTS") };
}

/** Our own environment, proxies and APT_CONFIG included, with messages in the language that we read. */
export function aptEnvironment({
  environment,
}: Pick<Platform["host"], "environment">): Record<string, string> {
  const own = Object.entries(environment).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  );
  return { ...Object.fromEntries(own), LC_ALL: "C", LANGUAGE: "C" };
}
