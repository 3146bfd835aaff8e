// How long writing a file system takes, beside mke2fs -d of the same tree in the same run.
// node packages/formats/src/ext4/ext4.bench.ts [DIRECTORY]: without a directory, a tree of 1 GiB in 50,000 files is made.

import { spawnSync } from "node:child_process";
import { lstatSync, mkdirSync, readdirSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type FileHandle, realPlatform } from "@kelpie/platform";
import type { ByteSink } from "../byte-sink.ts";
import { fileSource } from "../file-source.ts";
import { scratchDirectory } from "../testing/tools.ts";
import { FileTree } from "../tree/file-tree.ts";
import { options } from "./testing/images.ts";
import { writeExt4 } from "./write.ts";

const rounds = 5;
const files = realPlatform.files;

/** 50,000 files in 500 directories: most of a few KiB, one in a thousand of 4 MiB. */
function makeTree(root: string): void {
  const noise = Buffer.alloc(8 * 1024 ** 2);
  let state = 1;
  for (let at = 0; at < noise.length; at += 4) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    noise.writeUInt32LE(state, at);
  }
  for (let directory = 0; directory < 500; directory += 1) {
    const path = join(root, `d${directory % 20}`, `s${directory}`);
    mkdirSync(path, { recursive: true });
    for (let index = 0; index < 100; index += 1) {
      const number = directory * 100 + index;
      const step = (number * 7919) % 1000;
      const sizeBytes = number % 1000 === 0 ? 4 * 1024 ** 2 : Math.floor(Math.exp(5.5 + (step / 1000) * 6.2));
      writeFileSync(join(path, `f${index}`), noise.subarray(step * 4, step * 4 + sizeBytes));
    }
  }
}

function addTo(tree: FileTree, root: string, prefix: string): void {
  for (const entry of readdirSync(join(root, prefix))) {
    const name = prefix + entry;
    const path = join(root, name);
    const status = lstatSync(path);
    const { mode, uid, gid, mtimeMs } = status;
    const metadata = { mode: mode & 0o7777, uid, gid, mtimeSeconds: Math.floor(mtimeMs / 1000) };
    if (status.isDirectory()) {
      tree.put(name, { ...metadata, kind: "directory" });
      addTo(tree, root, `${name}/`);
    } else if (status.isSymbolicLink()) {
      tree.put(name, { ...metadata, kind: "symlink", target: readlinkSync(path) });
    } else if (status.isFile()) {
      tree.put(name, { ...metadata, kind: "file", content: fileSource(files, path, 0, status.size) });
    }
  }
}

function peakMemory(): number {
  return Math.round(process.resourceUsage().maxRSS / 1024);
}

function sinkOf(handle: FileHandle): ByteSink & { position: number } {
  const sink = {
    position: 0,
    write: async (bytes: Uint8Array): Promise<void> => {
      await handle.write(bytes, sink.position);
      sink.position += bytes.length;
    },
    skip: (sizeBytes: number): Promise<void> => {
      sink.position += sizeBytes;
      return Promise.resolve();
    },
  };
  return sink;
}

using scratch = scratchDirectory();
const [, , given] = process.argv;
const root = given ?? join(scratch.path, "tree");
if (given === undefined) makeTree(root);
const tree = new FileTree();
addTo(tree, root, "");
const treeMemory = peakMemory();
const image = join(scratch.path, "image");
const ours: number[] = [];
const theirs: number[] = [];
let sizeBytes = 0;
let firstMemory = 0;

for (let round = 0; round < rounds; round += 1) {
  rmSync(image, { force: true });
  const start = performance.now();
  {
    await using handle = await files.open(image, "create");
    const sink = sinkOf(handle);
    ({ sizeBytes } = await writeExt4(tree, sink, options));
    await handle.truncate(sink.position);
  }
  const middle = performance.now();
  firstMemory ||= peakMemory();
  rmSync(image);
  const between = performance.now();
  const kibibytes = `${Math.ceil((sizeBytes * 1.1) / 1024) + 32_768}k`;
  const { status, stderr } = spawnSync(
    "mke2fs",
    ["-q", "-t", "ext4", "-O", "^has_journal", "-d", root, image, kibibytes],
    {
      encoding: "utf8",
    },
  );
  if (status !== 0) throw new Error(stderr);
  ours.push(middle - start);
  theirs.push(performance.now() - between);
}

const show = (times: readonly number[]): string => times.map((time) => time.toFixed(0)).join(" ");
console.log(`${(sizeBytes / 1024 ** 2).toFixed(0)} MiB; milliseconds of ${rounds} rounds`);
console.log(`kelpie  ${show(ours)}`);
console.log(`mke2fs  ${show(theirs)}`);
console.log(
  `ratio of the fastest ${(Math.min(...ours) / Math.min(...theirs)).toFixed(2)}, of the first ${((ours[0] ?? 0) / (theirs[0] ?? 1)).toFixed(2)}`,
);
console.log(
  `peak memory: ${treeMemory} MiB before the first round, ${firstMemory} after it, ${peakMemory()} in the end`,
);
