// One entry of a tar archive as the reader gives it.

/** A tar entry with the extended headers already applied. */
export interface TarEntry {
  /** Normalised as by `normalizePath`; "" for the root ("./"). */
  readonly path: string;
  /** `hard-link` names an earlier entry in `linkTarget`; it has no content of its own. */
  readonly kind:
    | "file"
    | "hard-link"
    | "symlink"
    | "directory"
    | "character-device"
    | "block-device"
    | "fifo";
  /** Permission bits, 0o0000 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly uname: string;
  readonly gname: string;
  /** Whole seconds since the Unix epoch, rounded down; may be negative. */
  readonly mtimeSeconds: number;
  /** A symlink's text as it stands, a hard link's target as a normalised path, "" otherwise. */
  readonly linkTarget: string;
  /** Of a device; 0 and 0 otherwise. */
  readonly major: number;
  readonly minor: number;
  /** From SCHILY.xattr.* and LIBARCHIVE.xattr.* records. */
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
  /** All pax records that hold for this entry, global ones included, as bytes: a value need not be text. */
  readonly paxRecords: ReadonlyMap<string, Uint8Array>;
  /** Of the content; 0 for everything but a file. */
  readonly sizeBytes: number;
  /** Of the file that the content makes by `sparsePieces`; only where `readTar` was asked to give those with holes. */
  readonly sparseSizeBytes?: number;
  /** Where the content begins in the uncompressed archive. */
  readonly contentOffset: number;
  /** The content; must be read, or left, before the next entry is asked for. */
  readonly content: AsyncIterable<Uint8Array>;
}
