// Debian's alternatives: one name, several packages that offer it, the highest priority wins.

import { followLinks, lookUp, type TreeEditor } from "../rootfs/image-tree.ts";
import type { EffectOf } from "./effect.ts";

type Candidate = EffectOf<"alternative">;

/**
 * Links each name to its best candidate through /etc/alternatives, and writes update-alternatives' own record of it, so
 * that the tool goes on from there in the guest. Candidates and slaves whose files are not in the image are left out.
 */
export function installAlternatives(editor: TreeEditor, offered: readonly Candidate[]): void {
  const byName = Map.groupBy(
    offered.filter(({ path }) => lookUp(editor.tree, path) !== undefined),
    ({ name }) => name,
  );
  for (const [name, all] of [...byName].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const candidates = distinct(all);
    const [best] = candidates.toSorted((a, b) => b.priority - a.priority);
    if (best === undefined) continue;
    // A package's own file under that name is not ours to replace.
    const present = editor.tree.get(followLinks(editor.tree, best.link));
    if (present !== undefined && present.kind !== "symlink") continue;
    setLink(editor, best.link, name, best.path);
    for (const slave of best.slaves ?? []) {
      if (lookUp(editor.tree, slave.path) !== undefined) setLink(editor, slave.link, slave.name, slave.path);
    }
    editor.text(`/var/lib/dpkg/alternatives/${name}`, record(best, candidates));
  }
}

function distinct(candidates: readonly Candidate[]): readonly Candidate[] {
  return [...new Map(candidates.map((candidate) => [candidate.path, candidate])).values()];
}

function setLink(editor: TreeEditor, link: string, name: string, path: string): void {
  editor.link(`/etc/alternatives/${name}`, path);
  editor.link(link, `/etc/alternatives/${name}`);
}

/** update-alternatives(1), "FILES": mode, link, slaves' names and links, a blank line, then each candidate. */
function record(best: Candidate, candidates: readonly Candidate[]): string {
  const slaves = (best.slaves ?? []).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const head = ["auto", best.link, ...slaves.flatMap(({ name, link }) => [name, link]), ""];
  const choices = candidates
    .toSorted((a, b) => (a.path < b.path ? -1 : 1))
    .flatMap((candidate) => [
      candidate.path,
      String(candidate.priority),
      ...slaves.map(({ name }) => candidate.slaves?.find((slave) => slave.name === name)?.path ?? ""),
    ]);
  return `${[...head, ...choices, ""].join("\n")}\n`;
}
