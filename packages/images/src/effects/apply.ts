// Applies the effects of install scripts to an image's tree.

import { KelpieError } from "@kelpie/platform";
import { Accounts } from "../rootfs/accounts.ts";
import { followLinks, lookUp, putAt, readText, type TreeEditor } from "../rootfs/image-tree.ts";
import { installAlternatives } from "./alternatives.ts";
import { linkApplets } from "./applets.ts";
import { bundleCertificates } from "./ca-certificates.ts";
import type { Effect, EffectOf } from "./effect.ts";
import type { PackageEffects } from "./recognise.ts";

/**
 * When effects are applied, which does not depend on the packages' order: accounts first, since files are owned by them;
 * what only a whole tree tells last. The build puts the spec's own users and files between the stages.
 */
export type EffectStage = "accounts" | "files" | "whole";

const stages: Readonly<Record<EffectStage, readonly (readonly Effect["do"][])[]>> = {
  accounts: [["copy"], ["group"], ["user"], ["member"]],
  files: [["directory", "file", "link", "chmod"]],
  whole: [["shell", "shells", "alternative", "applets", "ca-certificates"]],
};

/** Applies the effects of one stage. @throws KelpieError naming the package whose effect cannot be applied. */
export async function applyEffects(
  editor: TreeEditor,
  packages: readonly PackageEffects[],
  stage: EffectStage,
): Promise<void> {
  for (const kinds of stages[stage]) {
    const accounts = await Accounts.read(editor.tree);
    for (const { package: name, effects } of packages) {
      for (const effect of effects.filter((each) => kinds.includes(each.do))) {
        attributed(name, () => applyOne(editor, accounts, effect));
      }
    }
    if (stage === "accounts" && !kinds.includes("copy")) accounts.write(editor);
  }
  if (stage === "whole") await applyWhole(editor, packages);
}

/** What is done once for all packages together. */
async function applyWhole(editor: TreeEditor, packages: readonly PackageEffects[]): Promise<void> {
  const effects = packages.flatMap((each) => each.effects);
  await addShells(editor, effects);
  installAlternatives(
    editor,
    effects.filter((effect) => effect.do === "alternative"),
  );
  const binaries = new Set(effects.flatMap((effect) => (effect.do === "applets" ? [effect.binary] : [])));
  for (const binary of binaries) await linkApplets(editor, binary);
  if (effects.some((effect) => effect.do === "ca-certificates")) await bundleCertificates(editor);
}

function attributed(name: string, apply: () => void): void {
  try {
    apply();
  } catch (cause) {
    if (!KelpieError.is(cause)) throw cause;
    throw new KelpieError(cause.code, `The effects of ${name}'s install scripts cannot be applied`, {
      found: cause.message,
      cause,
    });
  }
}

function applyOne(editor: TreeEditor, accounts: Accounts, effect: Effect): void {
  switch (effect.do) {
    case "group":
      accounts.addGroup(effect.name, effect.gid);
      return;
    case "user":
      addUser(accounts, effect);
      return;
    case "member":
      accounts.addMember(effect.user, effect.group);
      return;
    case "directory":
      editor.directory(effect.path, accounts.ownership(effect, 0o755));
      return;
    case "file":
      if (!editor.stands(effect.path))
        editor.text(effect.path, effect.content, accounts.ownership(effect, 0o644));
      return;
    case "copy":
      copy(editor, effect);
      return;
    case "link":
      link(editor, effect);
      return;
    case "chmod":
      changeOwnership(editor, accounts, effect);
      return;
    case "alternative":
    case "shell":
    case "shells":
    case "applets":
    case "ca-certificates":
      return;
    default:
      effect satisfies never;
  }
}

function addUser(accounts: Accounts, { name, uid, group, home, shell, comment }: EffectOf<"user">): void {
  const gid =
    group === undefined ? accounts.addGroup(accounts.hasGroup("nogroup") ? "nogroup" : name) : undefined;
  accounts.addUser({ name, uid, gid: gid ?? accounts.gid(group ?? name), home, shell, comment });
}

function copy(editor: TreeEditor, { from, to }: EffectOf<"copy">): void {
  if (editor.stands(to)) return;
  const node = lookUp(editor.tree, from);
  if (node?.kind !== "file") {
    throw new KelpieError("not-found", "A file to copy is not in the image", { where: from });
  }
  // A new object: the same one would be a hard link.
  putAt(editor.tree, to, { ...node });
}

function link(editor: TreeEditor, { path, target, replace = false }: EffectOf<"link">): void {
  const { tree } = editor;
  const at = followLinks(tree, path);
  const existing = tree.get(at);
  const inTheWay = existing !== undefined && !(existing.kind === "directory" && tree.list(at).length === 0);
  if (inTheWay && !(replace && existing.kind === "symlink")) return;
  if (existing !== undefined && !replace) return;
  editor.link(path, target);
}

function changeOwnership(editor: TreeEditor, accounts: Accounts, effect: EffectOf<"chmod">): void {
  const at = followLinks(editor.tree, effect.path, "follow");
  const node = editor.tree.get(at);
  if (node === undefined) return;
  editor.tree.put(at, {
    ...node,
    ...(effect.mode === undefined ? {} : { mode: Number.parseInt(effect.mode, 8) }),
    ...(effect.owner === undefined ? {} : { uid: accounts.uid(effect.owner) }),
    ...(effect.group === undefined ? {} : { gid: accounts.gid(effect.group) }),
  });
}

async function addShells(editor: TreeEditor, effects: readonly Effect[]): Promise<void> {
  const { tree } = editor;
  const added = effects.flatMap((effect) => (effect.do === "shell" ? [effect.path] : []));
  for (const { directory } of effects.filter((effect) => effect.do === "shells")) {
    const at = followLinks(tree, directory, "follow");
    for (const name of tree.list(at)) added.push(...shellLines(await readText(tree, `${at}/${name}`)));
  }
  if (added.length === 0) return;
  const text = (await readText(tree, "/etc/shells")) ?? "# valid login shells\n";
  const present = new Set(shellLines(text));
  const missing = [...new Set(added)].filter((path) => !present.has(path));
  if (missing.length > 0) editor.text("/etc/shells", `${text}${missing.join("\n")}\n`);
}

function shellLines(text: string | undefined): readonly string[] {
  return (text ?? "").split("\n").filter((line) => line.startsWith("/"));
}
