// How long writing a file system takes, beside mke2fs -d of the same tree.

import { execFileSync } from "node:child_process";
import { lstatSync, mkdirSync, readdirSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type FileHandle, realPlatform } from "@kelpie/platform";
import type { BenchCase, PreparedBench } from "../../../../tools/bench/case.ts";
import type { ByteSink } from "../byte-sink.ts";
import { fileSource } from "../file-source.ts";
import { alpineFile, unlessInstalled } from "../testing/tools.ts";
import { FileTree } from "../tree/file-tree.ts";
import { options } from "./testing/images.ts";
import { planExt4 } from "./plan.ts";
import { writeExt4 } from "./write.ts";

const files = realPlatform.files;
const goal = { ratio: 1, peakMebibytes: 200 };

/** 50,000 files in 500 directories: most of a few KiB, one in a thousand of 4 MiB; 1 GiB in all. */
function makeLargeTree(root: string): void {
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

/** The writer from a tree of names to the closed image, against mke2fs from the directory to the same. */
function compare(root: string, scratch: string): PreparedBench {
  const tree = new FileTree();
  addTo(tree, root, "");
  const image = join(scratch, "image");
  const { sizeBytes } = planExt4(tree, options);
  const kibibytes = `${Math.ceil((sizeBytes * 1.1) / 1024) + 32_768}k`;
  return {
    bytes: sizeBytes,
    reset: () => rmSync(image, { force: true }),
    run: async () => {
      await using handle = await files.open(image, "create");
      const sink = sinkOf(handle);
      await writeExt4(tree, sink, options);
      await handle.truncate(sink.position);
    },
    reference: {
      name: "mke2fs -d",
      run: () => {
        const features = ["-q", "-t", "ext4", "-O", "^has_journal"];
        execFileSync("mke2fs", [...features, "-d", root, image, kibibytes]);
      },
    },
  };
}

const cases: readonly BenchCase[] = [
  {
    name: "ext4: write the Alpine minirootfs",
    goal,
    runs: 15,
    prepare: ({ scratch }) => {
      const archive = alpineFile("alpine-minirootfs-3.19.4-x86_64.tar.gz");
      if (archive === undefined) return { skip: "the minirootfs is not here" };
      const skip = unlessInstalled("tar", "mke2fs");
      if (skip !== false) return { skip };
      const root = join(scratch, "tree");
      mkdirSync(root);
      execFileSync("tar", ["--extract", "--gzip", "--file", archive, "--directory", root]);
      return compare(root, scratch);
    },
  },
  {
    name: "ext4: write 50,000 files of 1 GiB",
    goal,
    runs: 5,
    prepare: ({ scratch }) => {
      const skip = unlessInstalled("mke2fs");
      if (skip !== false) return { skip };
      const root = join(scratch, "tree");
      makeLargeTree(root);
      return compare(root, scratch);
    },
  },
];
export default cases;
