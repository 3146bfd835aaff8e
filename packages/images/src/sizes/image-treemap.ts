// An image as nested boxes: its files, in the root file system its packages, in each package its files.

import type { ImageMetadata } from "../metadata/image-metadata.ts";
import { type SizeBreakdown, type SizedFile, unowned } from "./breakdown.ts";
import type { TreemapNode } from "./treemap-svg.ts";

/** More boxes than these in one are too small to see; the rest is one box. */
const maxFiles = 60;

/** What a treemap of an image shows. */
export function imageTreemap(
  { name, version, architecture }: Pick<ImageMetadata, "name" | "version" | "architecture">,
  breakdown: SizeBreakdown,
  sized: readonly SizedFile[],
): TreemapNode {
  const byOwner = Map.groupBy(sized, ({ owner }) => owner);
  const packages = breakdown.packages.map(
    (share): TreemapNode => ({
      label: share.name,
      sizeBytes: share.sizeBytes,
      detail: `${share.files} files`,
      children: fileNodes(byOwner.get(share.name) ?? []),
      isMuted: share.name === unowned,
    }),
  );
  const overhead: TreemapNode = {
    label: "free room and metadata",
    sizeBytes: breakdown.overheadBytes,
    detail: "of the file system",
    isMuted: true,
  };
  return {
    label: `${name} ${version} for ${architecture}`,
    sizeBytes: breakdown.totalBytes,
    detail: "",
    children: breakdown.parts.map(
      (part): TreemapNode => ({
        label: part.name,
        sizeBytes: part.sizeBytes,
        detail: "",
        ...(part.name === "rootfs.ext4" ? { children: bySize([...packages, overhead]) } : {}),
      }),
    ),
  };
}

function fileNodes(files: readonly SizedFile[]): readonly TreemapNode[] {
  const sorted = bySize(
    files.map(({ path, sizeBytes, type }): TreemapNode => ({ label: path, sizeBytes, detail: type })),
  );
  const rest = sorted.slice(maxFiles);
  const restBytes = rest.reduce((total, { sizeBytes }) => total + sizeBytes, 0);
  const shown = sorted.slice(0, maxFiles);
  return rest.length === 0
    ? shown
    : [...shown, { label: `${rest.length} more files`, sizeBytes: restBytes, detail: "", isMuted: true }];
}

function bySize(nodes: readonly TreemapNode[]): readonly TreemapNode[] {
  return nodes.toSorted((a, b) => b.sizeBytes - a.sizeBytes || (a.label < b.label ? -1 : 1));
}
