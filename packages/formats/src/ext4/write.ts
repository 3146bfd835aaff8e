// Writes a planned file system from its first block to its last.

import { KelpieError } from "@kelpie/platform";
import type { ByteSink } from "../byte-sink.ts";
import type { FileTree } from "../tree/file-tree.ts";
import { BlockWriter } from "./block-writer.ts";
import { inodeSeed } from "./checksum.ts";
import { blockBytes } from "./constants.ts";
import { ContentCursor, throwIfCancelled } from "./content-cursor.ts";
import { encodeDirectory } from "./directory.ts";
import { encodeExtents, type Extent } from "./extents.ts";
import { FixedParts } from "./fixed-parts.ts";
import { encodeJournalSuperblock } from "./journal.ts";
import type { Ext4Options } from "./options.ts";
import { inBlockOrder, type Placement, Placer } from "./placer.ts";
import { type Ext4Plan, planExt4 } from "./plan.ts";
import type { PlannedInode } from "./planned-inode.ts";
import { PieceReader, readAhead, type WantedContent } from "./read-ahead.ts";
import { encodeDescriptorMap } from "./special-inodes.ts";
import { type Ext4Summary, summarize } from "./summary.ts";
import { sealXattrBlock } from "./xattrs.ts";

/**
 * Writes `tree` as an ext4 file system, front to back, reading each file's content once. The same tree and options
 * give the same bytes. Memory is bounded by the number of entries, never by their content.
 *
 * @throws KelpieError as {@link planExt4}; `malformed` where a content is longer or shorter than its declared size;
 * `cancelled` when `options.signal` says so; and whatever sources and sink throw.
 */
export async function writeExt4(tree: FileTree, sink: ByteSink, options: Ext4Options): Promise<Ext4Summary> {
  const plan = planExt4(tree, options);
  await writePlan(plan, sink, options.signal);
  return summarize(plan);
}

/** What the writing of an inode's blocks needs. */
interface Writing {
  readonly plan: Ext4Plan;
  readonly out: BlockWriter;
  readonly fixed: FixedParts;
  readonly pieces: PieceReader;
  readonly signal: AbortSignal | undefined;
}

async function writePlan(plan: Ext4Plan, sink: ByteSink, signal: AbortSignal | undefined): Promise<void> {
  const out = new BlockWriter(sink);
  const writing = { plan, out, fixed: new FixedParts(plan, out), pieces: new PieceReader(), signal };
  const placer = Placer.over(plan.geometry, plan.inodes);
  const contents = readAhead(wantedContents(plan), signal);
  try {
    for (const inode of inBlockOrder(plan.inodes)) {
      throwIfCancelled(signal);
      const placement = placer.place(inode);
      await writeContent(writing, inode, placement, contents);
      await writeExtras(writing, inode, placement);
    }
  } finally {
    await contents.return();
  }
  await writing.fixed.writeBefore(plan.geometry.blocks);
  await out.zerosTo(plan.sizeBytes);
  await out.finish();
}

/** The contents that {@link writeContent} will ask for, in the same order. */
function* wantedContents(plan: Ext4Plan): Generator<WantedContent> {
  for (const { content, path } of inBlockOrder(plan.inodes))
    if (content.kind === "data") yield { source: content.source, path };
}

async function writeContent(
  writing: Writing,
  inode: PlannedInode,
  placement: Placement,
  contents: AsyncGenerator<Uint8Array | undefined, void, undefined>,
): Promise<void> {
  const { plan, signal } = writing;
  const { content } = inode;
  switch (content.kind) {
    case "inline":
      return;
    case "directory": {
      const checksumSeed = inodeSeed(plan.checksumSeed, inode.number, 0);
      const identity = { inode: inode.number, parent: inode.parent, checksumSeed };
      return writeBlocks(writing, placement.extents, encodeDirectory(content.layout, identity));
    }
    case "journal":
      return writeBlocks(writing, placement.extents, [encodeJournalSuperblock(content.blocks, plan.uuid)]);
    case "descriptor-map":
      return writeBlocks(writing, placement.extents, [encodeDescriptorMap(plan.geometry)]);
    case "data": {
      const { value: whole } = await contents.next();
      const chunks = whole === undefined ? writing.pieces.read(content.source, signal) : [whole];
      return writeData(
        writing,
        placement.extents,
        new ContentCursor(chunks, content.source.sizeBytes, inode.path, signal),
      );
    }
    default:
      return content satisfies never;
  }
}

async function writeData(writing: Writing, extents: readonly Extent[], cursor: ContentCursor): Promise<void> {
  try {
    for (const { logical, physical, count } of extents) {
      await seek(writing, physical);
      await cursor.skipHole(logical * blockBytes);
      await cursor.copyTo(writing.out, (logical + count) * blockBytes);
      await writing.out.pad();
    }
    await cursor.skipHole(Infinity);
    await cursor.expectEnd();
  } finally {
    await cursor.close();
  }
}

/** The blocks of its extent tree and of its attributes, which come after its content. */
async function writeExtras(writing: Writing, inode: PlannedInode, placement: Placement): Promise<void> {
  const { plan, out } = writing;
  if (placement.tree.length > 0) {
    const checksumSeed = inodeSeed(plan.checksumSeed, inode.number, 0);
    const { blocks } = encodeExtents(placement.extents, placement.tree, checksumSeed);
    for (const [index, block] of blocks.entries()) {
      await seek(writing, placement.tree[index] ?? 0);
      await out.write(block);
    }
  }
  if (inode.xattrs.kind === "block") {
    sealXattrBlock(inode.xattrs.bytes, placement.xattrBlock, plan.checksumSeed);
    await seek(writing, placement.xattrBlock);
    await out.write(inode.xattrs.bytes);
  }
}

/** Writes `blocks` to the places of `extents`; places for which there are no more blocks stay zero. */
async function writeBlocks(
  writing: Writing,
  extents: readonly Extent[],
  blocks: Iterable<Uint8Array>,
): Promise<void> {
  const places = extents.values().flatMap(function* ({ physical, count }) {
    for (let index = 0; index < count; index += 1) yield physical + index;
  });
  for (const block of blocks) {
    const place = places.next();
    if (place.done === true) throw new KelpieError("internal", "There are more blocks than places for them");
    await seek(writing, place.value);
    await writing.out.write(block);
  }
}

/** Brings the output to `block`, with the fixed parts that stand before it. */
async function seek({ fixed, out }: Writing, block: number): Promise<void> {
  await fixed.writeBefore(block);
  await out.zerosTo(block * blockBytes);
}
