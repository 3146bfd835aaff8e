// From the merged packages, or a base, to the tree that becomes rootfs.ext4.

import type { FileTree } from "@kelpie/formats";
import type { Files } from "@kelpie/platform";
import { applyEffects } from "../effects/apply.ts";
import { writeLibraryCache } from "../effects/library-cache.ts";
import type { PackageEffects } from "../effects/recognise.ts";
import type { ImageSpec } from "../spec/image-spec.ts";
import { type GuestPrograms, type ImageIdentity, putContract, putDefaults } from "./identity.ts";
import { putInitOptions } from "./init-options.ts";
import { TreeEditor } from "./image-tree.ts";
import { overlayDirectory } from "./overlay.ts";
import { putPackageSources } from "./package-sources.ts";
import { putAccounts, putFiles } from "./spec-files.ts";

/** All that goes into a root file system. */
export interface RootfsParts {
  readonly spec: ImageSpec;
  /** What packages or a base tarball install; it is changed. */
  readonly tree: FileTree;
  /** What the packages' install scripts come to, in the packages' order. */
  readonly effects: readonly PackageEffects[];
  readonly identity: ImageIdentity;
  readonly guest: GuestPrograms;
}

/**
 * Completes the tree of an image. The spec's own users and files come in between the effects of packages, so that a
 * certificate that a spec adds is in the bundle and a library that it adds is in the loader's cache.
 */
export async function assembleRootfs(files: Files, parts: RootfsParts): Promise<FileTree> {
  const { spec, tree, effects, identity, guest } = parts;
  const editor = new TreeEditor(tree, identity.timestampSeconds);
  putDefaults(editor, spec);
  putPackageSources(editor, spec);
  for (const directory of spec.overlays) await overlayDirectory(files, editor, directory);
  await applyEffects(editor, effects, "accounts");
  await putAccounts(editor, spec);
  await applyEffects(editor, effects, "files");
  await putFiles(files, editor, spec);
  await putInitOptions(files, editor, spec);
  await applyEffects(editor, effects, "whole");
  await writeLibraryCache(editor, spec.architecture);
  putContract(editor, identity, guest);
  return tree;
}
