// The guest's files, as the host uses them: every call bounded, what is large streamed at the pace of its reader.

import type { Client } from "@connectrpc/connect";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { KelpieError } from "@kelpie/platform";
import { callGuest, type CallOptions, type CallRoute, neverAborted } from "./call-guest.ts";
import {
  type FileService,
  type ImportTarRequestSchema,
  RenameMode,
  WriteMode,
  type WriteFileRequestSchema,
} from "./gen/kelpie/agent/v1/file_pb.ts";
import {
  fileAt,
  given,
  hasNoData,
  inChunks,
  moreThanAsked,
  name,
  place,
  requireWhole,
  writeModes,
  type Content,
  type GuestPath,
} from "./file-requests.ts";
import { fileError } from "./guest-error.ts";
import { Patience, whileItComes, whileItTakes } from "./stall.ts";
import { fileChange, type GuestFile, type GuestFileChange, listedFile } from "./guest-file.ts";

const maxDepth = 256;

export type { Content, GuestPath };

/** Whose a file is. */
export interface GuestOwner {
  readonly uid: number;
  readonly gid: number;
}

/** How to write a file. */
export interface WriteOptions {
  /** Default `replace`: all at once, or not at all. `create` refuses where there is one: `already-exists`. */
  readonly mode?: "replace" | "create" | "append" | { readonly at: number };
  /** Of a new file 0644, of a present one those it has. */
  readonly permissions?: number;
  readonly owner?: GuestOwner;
  /** Makes missing directories above it. */
  readonly parents?: boolean;
  /** Answers before the bytes are safe on the guest's disk. Default true: a sandbox's disk goes with it. */
  readonly noSync?: boolean;
  readonly signal?: AbortSignal;
}

/** How to unpack an archive. */
export interface TarInOptions {
  /** Default: as the archive says. */
  readonly owner?: GuestOwner;
  /** Refuses to replace what is there: `already-exists`. */
  readonly noReplace?: boolean;
  /** Default a million. */
  readonly maxEntries?: number;
  readonly maxBytes?: number;
  /** Default true. */
  readonly noSync?: boolean;
  readonly signal?: AbortSignal;
}

/**
 * The guest's files. What the kernel refuses is a KelpieError: `not-found`, `already-exists`, `permission-denied`,
 * `read-only`, `disk-full`, `unsafe-path` (out of a `root`), and `guest-refused` for the rest; `guest-lost` when the
 * connection ends, `malformed` when the guest says what cannot be. A stream that is left ends its call.
 */
export class GuestFiles {
  readonly #service: Client<typeof FileService>;
  /** The same service on a connection of its own, for what is large. */
  readonly #bulk: Client<typeof FileService>;
  readonly #route: CallRoute;

  constructor(service: Client<typeof FileService>, bulk: Client<typeof FileService>, route: CallRoute) {
    this.#service = service;
    this.#bulk = bulk;
    this.#route = route;
  }

  /** What is at `path`; undefined where nothing is. */
  async stat(
    path: GuestPath,
    options: CallOptions & { noFollow?: boolean } = {},
  ): Promise<GuestFile | undefined> {
    const noFollow = options.noFollow ?? false;
    try {
      const { file } = await this.#call("look at", path, options, (signal) =>
        this.#service.statFile({ path: place(path), noFollow }, { signal }),
      );
      return fileAt(path, file);
    } catch (error) {
      if (KelpieError.is(error) && error.code === "not-found") return undefined;
      throw error;
    }
  }

  /** A directory's entries in no order; with a `depth` above 1 those below them too. Links are not followed. */
  async *list(
    path: GuestPath,
    { depth = 1, signal = neverAborted }: { depth?: number; signal?: AbortSignal } = {},
  ): AsyncGenerator<GuestFile, undefined> {
    if (!Number.isInteger(depth) || depth < 1 || depth > maxDepth)
      throw new KelpieError("invalid-input", "The depth of a listing", {
        expected: `1 to ${maxDepth}`,
        found: `${depth}`,
      });
    const pages = this.#answers(
      "list",
      path,
      signal,
      (stop) => this.#bulk.listDirectory({ path: place(path), depth }, { signal: stop }),
      ({ files }) => files.length === 0,
    );
    for await (const { files } of pages) for (const file of files) yield listedFile(file, depth);
  }

  /** Makes a directory; with `parents` those above it too, content if it is there. */
  async mkdir(
    path: GuestPath,
    options: CallOptions & { parents?: boolean; permissions?: number; owner?: GuestOwner } = {},
  ): Promise<void> {
    const { parents = false, permissions, owner } = options;
    const request = { path: place(path), parents, ...given({ mode: permissions, owner }) };
    await this.#call("make the directory", path, options, (signal) =>
      this.#service.makeDirectory(request, { signal }),
    );
  }

  /** Removes a file, or with `recursive` a directory and all it has; returns how many. Links are not followed. */
  async remove(
    path: GuestPath,
    options: CallOptions & { recursive?: boolean; missingOk?: boolean } = {},
  ): Promise<number> {
    const { recursive = false, missingOk = false } = options;
    const request = { path: place(path), recursive, missingOk };
    const { removed } = await this.#call("remove", path, options, (signal) =>
      this.#service.removeFile(request, { signal }),
    );
    return Number(removed);
  }

  /** Moves within one file system; with `noReplace` it refuses where something is: `already-exists`. */
  async rename(
    from: GuestPath,
    to: GuestPath,
    options: CallOptions & { noReplace?: boolean } = {},
  ): Promise<void> {
    const mode = options.noReplace === true ? RenameMode.NO_REPLACE : RenameMode.REPLACE;
    const request = { from: place(from), to: place(to), mode };
    await this.#call("rename", from, options, (signal) => this.#service.renameFile(request, { signal }));
  }

  /** Changes mode, owner or time, and returns what the file is now. */
  async setAttributes(
    path: GuestPath,
    attributes: { permissions?: number; owner?: GuestOwner; modifiedMs?: number; noFollow?: boolean },
    options: CallOptions = {},
  ): Promise<GuestFile> {
    const { permissions, owner, modifiedMs, noFollow = false } = attributes;
    const modifiedUnixNs = modifiedMs === undefined ? undefined : BigInt(Math.trunc(modifiedMs)) * 1_000_000n;
    const request = { path: place(path), noFollow, ...given({ mode: permissions, owner, modifiedUnixNs }) };
    const { file } = await this.#call("change", path, options, (signal) =>
      this.#service.setAttributes(request, { signal }),
    );
    return fileAt(path, file);
  }

  /** Makes a symbolic link whose content is `target`, which is not looked at. */
  async symlink(target: string, path: GuestPath, options: CallOptions = {}): Promise<void> {
    const request = { path: place(path), target: { case: "symbolic" as const, value: target } };
    await this.#call("make the link", path, options, (signal) => this.#service.makeLink(request, { signal }));
  }

  /** A regular file's bytes, or `lengthBytes` of them from `offsetBytes` on. */
  async *read(
    path: GuestPath,
    { offsetBytes = 0, lengthBytes, signal = neverAborted }: ReadOptions = {},
  ): AsyncGenerator<Uint8Array, undefined> {
    requireWhole("offsetBytes", offsetBytes);
    requireWhole("lengthBytes", lengthBytes);
    const length = lengthBytes === undefined ? undefined : BigInt(lengthBytes);
    const request = { path: place(path), offset: BigInt(offsetBytes), ...given({ length }) };
    const parts = this.#answers(
      "read",
      path,
      signal,
      (stop) => this.#bulk.readFile(request, { signal: stop }),
      hasNoData,
    );
    let left = lengthBytes ?? Number.POSITIVE_INFINITY;
    for await (const { part } of parts) {
      if (part.case !== "data") continue;
      left -= part.value.length;
      if (left < 0) throw moreThanAsked(lengthBytes ?? 0);
      yield part.value;
    }
  }

  /** A small file's bytes as a whole; `limit-exceeded` if it has more than `limitBytes`. */
  async readAll(
    path: GuestPath,
    limitBytes = 16 << 20,
    signal: AbortSignal = neverAborted,
  ): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of this.read(path, { lengthBytes: limitBytes + 1, signal })) {
      size += chunk.length;
      if (size > limitBytes) {
        throw new KelpieError("limit-exceeded", `${name(path)} in the guest is too large`, {
          expected: `at most ${limitBytes} bytes`,
        });
      }
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  }

  /** Writes a regular file, as fast as `content` comes and the guest takes it. Returns what it is then. */
  async write(path: GuestPath, content: Content, options: WriteOptions = {}): Promise<GuestFile> {
    const { mode = "replace", permissions, owner, parents = false, noSync = true } = options;
    const { signal = neverAborted } = options;
    const open = {
      path: place(path),
      mode: typeof mode === "object" ? WriteMode.AT : writeModes[mode],
      offset: typeof mode === "object" ? BigInt(mode.at) : 0n,
      parents,
      noSync,
      ...given({ permissions, owner }),
    };
    async function* requests(): AsyncGenerator<MessageInitShape<typeof WriteFileRequestSchema>> {
      yield { part: { case: "open", value: open } };
      for await (const value of inChunks(content)) yield { part: { case: "data", value } };
    }
    const { file } = await this.#send("write", path, signal, (stop, patience) =>
      this.#bulk.writeFile(whileItTakes(requests(), patience), { signal: stop }),
    );
    return fileAt(path, file);
  }

  /** Unpacks a tar archive below the directory `root`; nothing is made or changed outside it. Returns what was made. */
  async tarIn(
    root: string,
    archive: Content,
    options: TarInOptions = {},
  ): Promise<{ entries: number; bytes: number }> {
    const {
      owner,
      noReplace = false,
      maxEntries = 0,
      maxBytes = 0,
      noSync = true,
      signal = neverAborted,
    } = options;
    const bounds = { maxEntries: BigInt(maxEntries), maxBytes: BigInt(maxBytes) };
    const open = { root, noReplace, noSync, ...bounds, ...given({ owner }) };
    async function* requests(): AsyncGenerator<MessageInitShape<typeof ImportTarRequestSchema>> {
      yield { part: { case: "open", value: open } };
      for await (const value of inChunks(archive)) yield { part: { case: "data", value } };
    }
    const { entries, contentBytes } = await this.#send("unpack into", root, signal, (stop, patience) =>
      this.#bulk.importTar(whileItTakes(requests(), patience), { signal: stop }),
    );
    return { entries: Number(entries), bytes: Number(contentBytes) };
  }

  /** A directory's content, or a file under its own name, as a tar archive (pax). It is the guest's: unpack it with care. */
  async *tarOut(
    path: GuestPath,
    { exclude = [], signal = neverAborted }: { exclude?: readonly string[]; signal?: AbortSignal } = {},
  ): AsyncGenerator<Uint8Array, undefined> {
    const request = { path: place(path), exclude: [...exclude] };
    const parts = this.#answers(
      "pack",
      path,
      signal,
      (stop) => this.#bulk.exportTar(request, { signal: stop }),
      ({ data }) => data.length === 0,
    );
    for await (const { data } of parts) yield data;
  }

  /** What changes from here on; with `recursive` below it too. Ends when it is left or `signal` aborts. */
  async *watch(
    path: GuestPath,
    { recursive = false, signal = neverAborted, onStarted = () => undefined }: WatchOptions = {},
  ): AsyncGenerator<GuestFileChange, undefined> {
    const request = { path: place(path), recursive };
    const events = this.#stream("watch", path, signal, (stop) =>
      this.#service.watchFiles(request, { signal: stop }),
    );
    for await (const event of events) {
      if (event.event.case === "started") onStarted();
      const change = fileChange(event);
      if (change !== undefined) yield change;
    }
  }

  #call<T>(
    what: string,
    path: GuestPath,
    options: CallOptions,
    call: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    return callGuest(this.#route, `${what} ${name(path)}`, options, call, fileError);
  }

  /** A call that sends a stream: as long as it takes, until `signal`. An error of the stream's own source comes through. */
  async #send<T>(
    what: string,
    path: GuestPath,
    signal: AbortSignal,
    call: (stop: AbortSignal, patience: Patience) => Promise<T>,
  ): Promise<T> {
    using patience = new Patience(this.#route.clock, `${what} ${name(path)}`);
    const stop = AbortSignal.any([signal, patience.signal]);
    patience.begin();
    try {
      return await call(stop, patience);
    } catch (error) {
      throw fileError(`${what} ${name(path)}`, error, stop);
    }
  }

  /** As {@link #stream}, of which the next part comes in time. */
  async *#answers<T>(
    what: string,
    path: GuestPath,
    signal: AbortSignal,
    call: (stop: AbortSignal) => AsyncIterable<T>,
    saysNothing: (message: T) => boolean,
  ): AsyncGenerator<T> {
    using patience = new Patience(this.#route.clock, `${what} ${name(path)}`);
    yield* this.#stream(what, path, signal, (stop) => whileItComes(call(stop), patience, saysNothing));
  }

  /** A call that is answered by a stream. Whoever leaves the stream ends the call. */
  async *#stream<T>(
    what: string,
    path: GuestPath,
    signal: AbortSignal,
    call: (stop: AbortSignal) => AsyncIterable<T>,
  ): AsyncGenerator<T> {
    const left = new AbortController();
    try {
      yield* call(AbortSignal.any([signal, left.signal]));
    } catch (error) {
      throw fileError(`${what} ${name(path)}`, error, signal);
    } finally {
      left.abort();
    }
  }
}

/** Which part of a file to read. */
export interface ReadOptions {
  readonly offsetBytes?: number;
  readonly lengthBytes?: number;
  readonly signal?: AbortSignal;
}

/** How to watch. */
export interface WatchOptions {
  readonly recursive?: boolean;
  readonly signal?: AbortSignal;
  /** Called once every later change is told. */
  readonly onStarted?: () => void;
}
