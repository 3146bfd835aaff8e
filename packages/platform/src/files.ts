// Files, as an interface: every access of Kelpie to a disk goes through here.
// Failures are KelpieErrors: not-found, already-exists, permission-denied, read-only, disk-full, in-use, or
// invalid-input for any other reason that the system gives, with the system's error as cause.

/** What kind of thing a directory entry is. */
export type FileKind = "file" | "directory" | "symlink" | "socket" | "fifo" | "device";

/** What `stat` and `lstat` report. */
export interface FileStatus {
  readonly kind: FileKind;
  readonly sizeBytes: number;
  /** Bytes really allocated on disk: less than `sizeBytes` for a sparse file. */
  readonly allocatedBytes: number;
  /** Permission bits, 0o0000 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeMs: number;
  readonly inode: number;
  readonly device: number;
  readonly linkCount: number;
}

/** `read`: must exist. `create`: must not exist. `replace`: created or emptied. `update`: read and write, must exist. */
export type OpenMode = "read" | "create" | "replace" | "update";

/** An open file. Every read and write names its position: there is no cursor. */
export interface FileHandle extends AsyncDisposable {
  /** Fills `into` from byte `position`; returns how many bytes were read, less than asked only at the end of the file. */
  read(into: Uint8Array, position: number): Promise<number>;
  /** Writes all of `bytes` at `position`. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  truncate(sizeBytes: number): Promise<void>;
  /** Returns when the content is on the disk. */
  sync(): Promise<void>;
  stat(): Promise<FileStatus>;
  close(): Promise<void>;
}

/** The file system. Paths are absolute or relative to the working directory. */
export interface Files {
  open(path: string, mode: OpenMode, permissions?: number): Promise<FileHandle>;
  /** The whole file; `limit-exceeded` if it is larger than `maxBytes`. */
  readFile(path: string, maxBytes: number): Promise<Uint8Array>;
  /**
   * Opens the file, fills `into` from byte `position` and closes it, in one step: for many small files. Returns how many
   * bytes were read, less than asked only at the end of the file.
   */
  readInto(path: string, into: Uint8Array, position: number): Promise<number>;
  /** Undefined where nothing stands. Follows a symlink. */
  stat(path: string): Promise<FileStatus | undefined>;
  /** As `stat`, of many small files at once: in their order, without a turn of the event loop for each. */
  statAll(paths: readonly string[]): Promise<readonly (FileStatus | undefined)[]>;
  /** Undefined where nothing stands. Does not follow a symlink. */
  lstat(path: string): Promise<FileStatus | undefined>;
  /** Names only, in bytewise order. */
  list(directory: string): Promise<string[]>;
  /** Creates the directory and its parents; an existing directory is no error. */
  makeDirectory(path: string, permissions?: number): Promise<void>;
  /** Creates the directory; `already-exists` if anything stands there: an atomic test-and-set. */
  makeNewDirectory(path: string, permissions?: number): Promise<void>;
  /** Atomic within one file system; replaces a file. */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file, symlink or whole directory; nothing there is no error. */
  remove(path: string): Promise<void>;
  hardLink(existing: string, path: string): Promise<void>;
  symlink(target: string, path: string): Promise<void>;
  readLink(path: string): Promise<string>;
  /** Copies one file, sharing its blocks where the file system can; `already-exists` if anything stands at `to`. */
  copyFile(from: string, to: string): Promise<void>;
  setMode(path: string, mode: number): Promise<void>;
  /** Gives it to another user and group (needs root). Does not follow a symlink. */
  setOwner(path: string, uid: number, gid: number): Promise<void>;
  setModifiedTime(path: string, mtimeMs: number): Promise<void>;
  /** Makes a rename or creation in `directory` durable. */
  syncDirectory(directory: string): Promise<void>;
  /** The path with all symlinks resolved. */
  realPath(path: string): Promise<string>;
  /** Free bytes for this user on the file system that holds `path`. */
  freeBytes(path: string): Promise<number>;
  /** A new directory, mode 0700, under the system's directory for temporary files; removed when disposed. */
  temporaryDirectory(prefix: string): Promise<TemporaryDirectory>;
}

/** A directory that goes with its owner. */
export interface TemporaryDirectory extends AsyncDisposable {
  readonly path: string;
}
