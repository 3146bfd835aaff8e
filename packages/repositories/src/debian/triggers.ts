// dpkg's register of who is interested in which trigger (deb-triggers(5), /var/lib/dpkg/triggers).

import type { DebianArchive } from "./repository.ts";

/**
 * The files of the triggers directory by name: one per named trigger with the interested packages, `File` with the paths
 * that are watched, and `Unincorp`, which is empty: nothing is pending.
 */
export function triggerFiles(archives: readonly DebianArchive[]): Map<string, string> {
  const named = new Map<string, string[]>();
  const watched: string[] = [];
  for (const {
    package: { name: interested },
    controlFiles,
  } of archives) {
    for (const line of (controlFiles.get("triggers") ?? "").split("\n")) {
      const [, kind, trigger] = /^\s*(interest(?:-await|-noawait)?)\s+(\S+)/.exec(line) ?? [];
      if (kind === undefined || trigger === undefined) continue;
      const who = kind === "interest-noawait" ? `${interested}/noawait` : interested;
      if (trigger.startsWith("/")) watched.push(`${trigger} ${who}\n`);
      else if (/^[\w.+-]+$/.test(trigger)) named.set(trigger, [...(named.get(trigger) ?? []), `${who}\n`]);
    }
  }
  return new Map([
    ["File", watched.join("")],
    ["Unincorp", ""],
    ...[...named].map(([trigger, lines]) => [trigger, lines.join("")] as const),
  ]);
}
