// The real file system.

import { close, constants as fs, open, promises, read, type Stats, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { getSystemErrorMessage, promisify } from "node:util";
import { KelpieError, type KelpieErrorCode } from "../errors.ts";
import type { FileHandle, FileKind, Files, FileStatus, OpenMode } from "../files.ts";

const codeOfErrno: Readonly<Record<string, KelpieErrorCode>> = {
  ENOENT: "not-found",
  ENOTDIR: "not-found",
  EEXIST: "already-exists",
  ENOTEMPTY: "already-exists",
  EACCES: "permission-denied",
  EPERM: "permission-denied",
  EROFS: "read-only",
  ENOSPC: "disk-full",
  EDQUOT: "disk-full",
  EBUSY: "in-use",
  ETXTBSY: "in-use",
};

const openFlags: Readonly<Record<OpenMode, number>> = {
  read: fs.O_RDONLY,
  create: fs.O_RDWR | fs.O_CREAT | fs.O_EXCL,
  replace: fs.O_RDWR | fs.O_CREAT | fs.O_TRUNC,
  update: fs.O_RDWR,
};

function errnoOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

function wordsOf(cause: unknown, errno: string): string {
  const number = cause instanceof Error && "errno" in cause ? cause.errno : undefined;
  return typeof number === "number" ? `${getSystemErrorMessage(number)} (${errno})` : errno || String(cause);
}

/** Runs a file operation and turns the system's error into ours. */
async function attempt<T>(doing: string, path: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (cause) {
    if (KelpieError.is(cause)) throw cause;
    const errno = errnoOf(cause);
    throw new KelpieError(codeOfErrno[errno] ?? "invalid-input", `Cannot ${doing} ${path}`, {
      found: wordsOf(cause, errno),
      cause,
    });
  }
}

function kindOf(stats: Stats): FileKind {
  if (stats.isFile()) return "file";
  if (stats.isDirectory()) return "directory";
  if (stats.isSymbolicLink()) return "symlink";
  if (stats.isSocket()) return "socket";
  return stats.isFIFO() ? "fifo" : "device";
}

function statusOf(stats: Stats): FileStatus {
  return {
    kind: kindOf(stats),
    sizeBytes: stats.size,
    allocatedBytes: stats.blocks * 512,
    mode: stats.mode & 0o7777,
    uid: stats.uid,
    gid: stats.gid,
    mtimeMs: stats.mtimeMs,
    inode: stats.ino,
    device: stats.dev,
    linkCount: stats.nlink,
  };
}

/**
 * As `mkdir -p`. Node's own goes round for ever in /proc, where a directory cannot be made and its parent is there, and says of
 * a read-only file system that a parent does not exist.
 */
async function makeDirectories(path: string, mode: number): Promise<void> {
  try {
    await makeDirectoryUnlessThere(path, mode);
  } catch (error) {
    const parent = dirname(path);
    if (errnoOf(error) !== "ENOENT" || parent === path) throw error;
    await makeDirectories(parent, mode);
    await makeDirectoryUnlessThere(path, mode);
  }
}

async function makeDirectoryUnlessThere(path: string, mode: number): Promise<void> {
  try {
    await promises.mkdir(path, { mode });
  } catch (error) {
    if (errnoOf(error) === "ENOENT") throw error;
    const found = await promises.stat(path).catch((reason: unknown) => {
      throw errnoOf(error) === "EEXIST" ? reason : error;
    });
    if (!found.isDirectory()) throw error;
  }
}

const openDescriptor = promisify(open);
const closeDescriptor = promisify(close);
const readDescriptor = promisify(read);

/** On bare descriptors: a FileHandle object for each of fifty thousand small files costs more than reading them. */
async function readOnce(path: string, into: Uint8Array, position: number): Promise<number> {
  const descriptor = await openDescriptor(path, fs.O_RDONLY);
  try {
    let filled = 0;
    while (filled < into.length) {
      const { bytesRead } = await readDescriptor(
        descriptor,
        into,
        filled,
        into.length - filled,
        position + filled,
      );
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return filled;
  } finally {
    await closeDescriptor(descriptor);
  }
}

class RealFileHandle implements FileHandle {
  readonly #handle: promises.FileHandle;
  readonly #path: string;
  #closed = false;

  constructor(handle: promises.FileHandle, path: string) {
    this.#handle = handle;
    this.#path = path;
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    return attempt("read", this.#path, async () => {
      let filled = 0;
      while (filled < into.length) {
        const { bytesRead } = await this.#handle.read(into, filled, into.length - filled, position + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return filled;
    });
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    await attempt("write", this.#path, async () => {
      let written = 0;
      while (written < bytes.length) {
        const { bytesWritten } = await this.#handle.write(
          bytes,
          written,
          bytes.length - written,
          position + written,
        );
        written += bytesWritten;
      }
    });
  }

  truncate(sizeBytes: number): Promise<void> {
    return attempt("resize", this.#path, () => this.#handle.truncate(sizeBytes));
  }

  sync(): Promise<void> {
    return attempt("sync", this.#path, () => this.#handle.sync());
  }

  stat(): Promise<FileStatus> {
    return attempt("stat", this.#path, async () => statusOf(await this.#handle.stat()));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await attempt("close", this.#path, () => this.#handle.close());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

async function undefinedIfMissing(operation: Promise<FileStatus>): Promise<FileStatus | undefined> {
  try {
    return await operation;
  } catch (error) {
    if (KelpieError.is(error) && error.code === "not-found") return undefined;
    throw error;
  }
}

/** The file system of this machine. */
export const realFiles: Files = {
  open: (path, mode, permissions = 0o666) =>
    attempt(
      mode === "create" ? "create" : "open",
      path,
      async () => new RealFileHandle(await promises.open(path, openFlags[mode], permissions), path),
    ),

  async readFile(path, maxBytes) {
    await using handle = await this.open(path, "read");
    const { sizeBytes } = await handle.stat();
    // Files of /proc and /sys say 0 and have content: read those until they end.
    const limit = sizeBytes === 0 ? Math.min(maxBytes + 1, 1 << 20) : sizeBytes;
    if (limit > maxBytes + 1) {
      throw new KelpieError("limit-exceeded", `${path} is too large to read`, {
        expected: `at most ${maxBytes} bytes`,
        found: `${sizeBytes}`,
      });
    }
    const buffer = new Uint8Array(limit);
    const content = buffer.subarray(0, await handle.read(buffer, 0));
    if (content.length > maxBytes) {
      throw new KelpieError("limit-exceeded", `${path} is too large to read`, {
        expected: `at most ${maxBytes} bytes`,
      });
    }
    return content;
  },

  readInto: (path, into, position) => attempt("read", path, () => readOnce(path, into, position)),

  stat: (path) => undefinedIfMissing(attempt("stat", path, async () => statusOf(await promises.stat(path)))),
  statAll: (paths) =>
    attempt("stat", paths[0] ?? "nothing", () =>
      Promise.resolve(
        paths.map((path) => {
          const stats = statSync(path, { throwIfNoEntry: false });
          return stats === undefined ? undefined : statusOf(stats);
        }),
      ),
    ),
  lstat: (path) =>
    undefinedIfMissing(attempt("stat", path, async () => statusOf(await promises.lstat(path)))),

  list: (directory) =>
    attempt("list", directory, async () => {
      const names = await promises.readdir(directory);
      // Strings compare by UTF-16 units: only with surrogates among them is that another order than the bytes'.
      return names.some((name) => /[\ud800-\udfff]/.test(name))
        ? names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
        : names.sort();
    }),

  makeDirectory: (path, permissions = 0o777) =>
    attempt("create directory", path, () => makeDirectories(path, permissions)),
  makeNewDirectory: (path, permissions = 0o777) =>
    attempt("create directory", path, () => promises.mkdir(path, { mode: permissions })),
  rename: (from, to) => attempt("rename", `${from} to ${to}`, () => promises.rename(from, to)),
  remove: (path) =>
    attempt("remove", path, () => promises.rm(path, { recursive: true, force: true, maxRetries: 3 })),
  hardLink: (existing, path) =>
    attempt("link", `${existing} to ${path}`, () => promises.link(existing, path)),
  symlink: (target, path) => attempt("create symlink", path, () => promises.symlink(target, path)),
  readLink: (path) => attempt("read symlink", path, () => promises.readlink(path)),
  copyFile: (from, to) =>
    attempt("copy", `${from} to ${to}`, () =>
      promises.copyFile(from, to, fs.COPYFILE_FICLONE | fs.COPYFILE_EXCL),
    ),
  setMode: (path, mode) => attempt("change the mode of", path, () => promises.chmod(path, mode)),
  setOwner: (path, uid, gid) => attempt("change the owner of", path, () => promises.lchown(path, uid, gid)),
  setModifiedTime: (path, mtimeMs) =>
    attempt("change the time of", path, () => promises.utimes(path, mtimeMs / 1000, mtimeMs / 1000)),

  syncDirectory: (directory) =>
    attempt("sync", directory, async () => {
      const handle = await promises.open(directory, fs.O_RDONLY | fs.O_DIRECTORY);
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    }),

  realPath: (path) => attempt("resolve", path, () => promises.realpath(path)),

  freeBytes: (path) =>
    attempt("stat the file system of", path, async () => {
      const { bavail, bsize } = await promises.statfs(path);
      return bavail * bsize;
    }),

  temporaryDirectory: (prefix) =>
    attempt("create a temporary directory in", tmpdir(), async () => {
      const path = await promises.mkdtemp(join(tmpdir(), prefix));
      return { path, [Symbol.asyncDispose]: () => realFiles.remove(path) };
    }),
};
