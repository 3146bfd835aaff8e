// What is different between two images: what they say of themselves, packages, files, modules and sizes.

import { createHash } from "node:crypto";
import type { ByteSource, FileTree, TreeNode } from "@kelpie/formats";
import type { Platform } from "@kelpie/platform";
import {
  attachmentNames,
  describedFile,
  imageFileNames,
  type ImageMetadata,
} from "../metadata/image-metadata.ts";
import { imageFile, ImageStore, type StoredImage } from "../store/image-store.ts";
import { type ComponentFacts, componentFacts } from "./components.ts";
import { readInitrd } from "./initrd-contents.ts";
import { openRootfs } from "./root-file-system.ts";

/** One thing that differs. Undefined on the side that does not have it. */
export interface Change {
  readonly name: string;
  readonly before: string | undefined;
  readonly after: string | undefined;
}

/** All changes are in the order of their names. Nothing differs where all lists are empty. */
export interface ImageDiff {
  /** Fields of metadata.json beside packages and files: "kernel.release". */
  readonly metadata: readonly Change[];
  /** Versions by name; with the digest where the versions are the same. */
  readonly packages: readonly Change[];
  /** By the bills of materials, where both images have one: crates of the guest's programs, licences of packages in both. */
  readonly components: readonly Change[];
  /** Entries of the root file system: kind, mode, owner, size, content. Times are left out. */
  readonly files: readonly Change[];
  /** Modules of the initrd, with when they are loaded. */
  readonly modules: readonly Change[];
  /** Bytes of the image's files and of what stands beside them, and whether their content differs. */
  readonly sizes: readonly Change[];
}

/** @throws KelpieError `not-found`, `malformed`, `unsupported`, `cancelled`. */
export async function diffImages(
  platform: Platform,
  home: string,
  before: StoredImage,
  after: StoredImage,
  signal?: AbortSignal,
): Promise<ImageDiff> {
  const { files } = platform;
  const store = new ImageStore(platform, home);
  const [a, b] = [await store.metadata(before), await store.metadata(after)];
  const same = (file: "rootfs.ext4" | "initrd"): boolean => a.files[file].sha256 === b.files[file].sha256;
  return {
    ...diffMetadata(a, b),
    components: diffComponents(
      await componentFacts(platform, before, a),
      await componentFacts(platform, after, b),
    ),
    files: same("rootfs.ext4")
      ? []
      : await diffTrees(
          (await openRootfs(files, before, signal)).tree,
          (await openRootfs(files, after, signal)).tree,
          signal,
        ),
    modules: same("initrd")
      ? []
      : changes(await modulesOf(platform, before, signal), await modulesOf(platform, after, signal)),
  };
}

/** As {@link diffImages}, by what two images say of themselves alone. */
export function diffMetadata(
  before: ImageMetadata,
  after: ImageMetadata,
): Pick<ImageDiff, "metadata" | "packages" | "sizes"> {
  return {
    metadata: changes(facts(before), facts(after)),
    packages: changes(packagesOf(before), packagesOf(after)),
    sizes: changes(sizesOf(before), sizesOf(after)),
  };
}

/** Of a package that only one of the images has, the licence is no difference by itself. */
function diffComponents(
  before: ComponentFacts | undefined,
  after: ComponentFacts | undefined,
): readonly Change[] {
  if (before === undefined || after === undefined) return [];
  return changes(before, after).filter(
    ({ name, before: was, after: is }) =>
      name.startsWith("crate ") || (was !== undefined && is !== undefined),
  );
}

/** What differs between two trees; contents are compared where nothing else tells two files apart. */
export async function diffTrees(
  before: FileTree,
  after: FileTree,
  signal?: AbortSignal,
): Promise<readonly Change[]> {
  const [a, b] = [nodesOf(before), nodesOf(after)];
  const found: Change[] = [];
  for (const name of namesOf(a, b)) {
    signal?.throwIfAborted();
    const [one, two] = [a.get(name), b.get(name)];
    const [was, is] = [describe(one), describe(two)];
    if (was !== is) found.push({ name, before: was, after: is });
    else if (one?.kind === "file" && two?.kind === "file") {
      const [first, second] = [await sha256(one.content, signal), await sha256(two.content, signal)];
      if (first !== second)
        found.push({ name, before: `${was ?? ""} ${first}`, after: `${is ?? ""} ${second}` });
    }
  }
  return found;
}

function changes(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): readonly Change[] {
  return namesOf(before, after)
    .map((name) => ({ name, before: before.get(name), after: after.get(name) }))
    .filter((change) => change.before !== change.after);
}

function namesOf(before: ReadonlyMap<string, unknown>, after: ReadonlyMap<string, unknown>): string[] {
  return [...new Set([...before.keys(), ...after.keys()])].sort();
}

/** Every field that is a value by itself, by its path. */
function facts({
  packages: _packages,
  files: _files,
  attachments: _attachments,
  ...rest
}: ImageMetadata): ReadonlyMap<string, string> {
  return new Map(fields("", rest));
}

function fields(prefix: string, value: unknown): [string, string][] {
  if (typeof value !== "object" || value === null) return [[prefix, String(value)]];
  return Object.entries(value).flatMap(([key, each]) =>
    fields(prefix === "" ? key : `${prefix}.${key}`, each),
  );
}

function packagesOf({ packages }: ImageMetadata): ReadonlyMap<string, string> {
  return new Map(packages.map(({ name, version, digest }) => [name, `${version} ${digest}`]));
}

function sizesOf(metadata: ImageMetadata): ReadonlyMap<string, string> {
  return new Map(
    [...imageFileNames, ...attachmentNames].flatMap((name) => {
      const file = describedFile(metadata, name);
      return file === undefined ? [] : [[name, `${file.sizeBytes} bytes sha256:${file.sha256}`] as const];
    }),
  );
}

function nodesOf(tree: FileTree): ReadonlyMap<string, TreeNode> {
  return new Map([...tree.entries()].map(({ path, node }) => [`/${path}`, node]));
}

function describe(node: TreeNode | undefined): string | undefined {
  if (node === undefined) return undefined;
  const { mode, uid, gid, xattrs = new Map<string, Uint8Array>() } = node;
  const attributes = [...xattrs]
    .map(([name, value]) => ` ${name}=${Buffer.from(value).toString("hex")}`)
    .sort()
    .join("");
  const common = `${node.kind} ${mode.toString(8).padStart(4, "0")} ${uid}:${gid}${attributes}`;
  switch (node.kind) {
    case "file":
      return `${common} ${node.content.sizeBytes} bytes`;
    case "symlink":
      return `${common} → ${node.target}`;
    case "character-device":
    case "block-device":
      return `${common} ${node.major}:${node.minor}`;
    case "fifo":
    case "socket":
    case "directory":
      return common;
    default:
      return node satisfies never;
  }
}

async function modulesOf(
  { files }: Pick<Platform, "files">,
  image: StoredImage,
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<string, string>> {
  const initrd = await readInitrd(files, imageFile(image, "initrd"), signal);
  const whenOf = new Map<string, string[]>();
  for (const line of initrd.moduleLines ?? []) {
    const [when = "", path = ""] = line.split(" ");
    const name = path.replace(/^\//, "");
    whenOf.set(name, [...(whenOf.get(name) ?? []), when]);
  }
  return new Map(
    [...initrd.files]
      .filter(([path]) => path.endsWith(".ko"))
      .map(([path, { bytes }]) => [
        path.slice(path.lastIndexOf("/") + 1, -".ko".length),
        `${(whenOf.get(path) ?? ["never"]).join(", ")} ${bytes.length} bytes sha256:${createHash("sha256").update(bytes).digest("hex")}`,
      ]),
  );
}

async function sha256(content: ByteSource, signal: AbortSignal | undefined): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of content.open(signal)) hash.update(chunk);
  return `sha256:${hash.digest("hex")}`;
}
