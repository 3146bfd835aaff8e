// Unpacks a .deb (deb(5)): its control part into memory, its files into an uncompressed tar in the cache, from which a
// tree reads them by offset.

import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import {
  type ArMember,
  collect,
  decompress,
  fileSource,
  readAr,
  readTar,
  type TreeEntry,
  tarTreeEntries,
  tee,
} from "@kelpie/formats";
import {
  type Files,
  KelpieError,
  type Platform,
  randomHex,
  tryParseJson,
  writeFileAtomic,
} from "@kelpie/platform";
import { z } from "zod";
import type { ResolvedPackage } from "../package.ts";
import { parseStanza, requiredField } from "./deb822.ts";
import type { DebianArchive } from "./repository.ts";

type UnpackPlatform = Pick<Platform, "files" | "host" | "random">;

const maxControlBytes = 64 << 20;
const maxControlFileBytes = 16 << 20;
const maxControlFiles = 256;
const maxDataBytes = 16 * 2 ** 30;
const maxRecordBytes = 256 << 20;
const scriptNames = ["preinst", "postinst", "prerm", "postrm", "config"];

const unpackedRecord = z.strictObject({
  format: z.literal(1),
  tarSha256: z.string(),
  tarSizeBytes: z.number(),
  control: z.record(z.string(), z.string()),
});
type UnpackedRecord = z.infer<typeof unpackedRecord>;

/** Where one unpacked package lies: `<directory>/<digest of the .deb>.tar` and `.json`. */
export interface UnpackedPlace {
  readonly directory: string;
  /** SHA-256 of the .deb, in hexadecimal. */
  readonly sha256: string;
}

/**
 * The package, if it was unpacked before and is unharmed; its .deb is not needed then.
 *
 * @throws KelpieError `malformed` as {@link unpackDeb}.
 */
export async function readUnpacked(
  { files }: Pick<Platform, "files">,
  place: UnpackedPlace,
  chosen: ResolvedPackage,
): Promise<DebianArchive | undefined> {
  const paths = pathsOf(place);
  if ((await files.stat(paths.record)) === undefined) return undefined;
  const parsed = unpackedRecord.safeParse(tryParseJson(await files.readFile(paths.record, maxRecordBytes)));
  if (!parsed.success || (await files.stat(paths.tar))?.sizeBytes !== parsed.data.tarSizeBytes)
    return undefined;
  const { tarSizeBytes, tarSha256, control } = parsed.data;
  const hash = createHash("sha256");
  const stream = hashed(fileSource(files, paths.tar, 0, tarSizeBytes).open(), hash);
  const entries = await treeEntries(files, stream, paths.tar, chosen);
  if (hash.digest("hex") !== tarSha256) return undefined;
  return toArchive(chosen, new Map(Object.entries(control)), entries);
}

/**
 * Unpacks the .deb at `path`, which must be verified already.
 *
 * @throws KelpieError `malformed`, `limit-exceeded`, `unsafe-path`, `unsupported`, or `digest-mismatch` where the control
 * file names another package than the index did.
 */
export async function unpackDeb(
  platform: UnpackPlatform,
  path: string,
  place: UnpackedPlace,
  chosen: ResolvedPackage,
): Promise<DebianArchive> {
  const { files, random } = platform;
  const paths = pathsOf(place);
  const where = `${chosen.name} ${chosen.version}`;
  await files.makeDirectory(dirname(paths.tar));
  const temporary = join(place.directory, `.${place.sha256}.${randomHex(random, 6)}.tmp`);
  try {
    const { control, tarSha256, tarSizeBytes } = await readMembers(files, path, temporary, where);
    // Checked before anything is visible: what is in the cache is whole.
    const entries = await treeEntries(
      files,
      fileSource(files, temporary, 0, tarSizeBytes).open(),
      paths.tar,
      chosen,
    );
    const archive = toArchive(chosen, control, entries);
    const record: UnpackedRecord = {
      format: 1,
      tarSha256,
      tarSizeBytes,
      control: Object.fromEntries(control),
    };
    await files.rename(temporary, paths.tar);
    await writeFileAtomic(platform, paths.record, JSON.stringify(record));
    return archive;
  } catch (error) {
    await files.remove(temporary);
    throw error;
  }
}

interface Members {
  readonly control: ReadonlyMap<string, string>;
  readonly tarSha256: string;
  readonly tarSizeBytes: number;
}

/** debian-binary, control.tar, data.tar, in this order; members that begin with "_" are for others (deb(5)). */
async function readMembers(files: Files, path: string, tarPath: string, where: string): Promise<Members> {
  const sizeBytes = (await files.stat(path))?.sizeBytes ?? 0;
  const expected = ["debian-binary", "control.tar", "data.tar"];
  let control: ReadonlyMap<string, string> = new Map();
  for await (const member of readAr(fileSource(files, path, 0, sizeBytes).open(), { where })) {
    if (member.name.startsWith("_")) continue;
    const next = expected.shift() ?? "no further member";
    const extension = extensionAfter(member.name, next);
    if (extension === undefined) throw malformed(next, member.name, where);
    if (next === "debian-binary") await checkFormatVersion(member, where);
    else if (next === "control.tar") control = await readControl(member, where);
    else return { control, ...(await writeData(files, member, tarPath)) };
  }
  throw malformed(expected[0] ?? "a member", "the end of the archive", where);
}

function extensionAfter(name: string, stem: string): string | undefined {
  if (stem === "debian-binary") return name === stem ? "" : undefined;
  return ["", ".gz", ".xz", ".zst"].find((extension) => name === stem + extension);
}

async function checkFormatVersion(member: ArMember, where: string): Promise<void> {
  const text = new TextDecoder().decode(await collect(member.content, 1024, `debian-binary of ${where}`));
  if (!/^2\.\d+\n/.test(text)) throw malformed("format version 2", JSON.stringify(text.slice(0, 20)), where);
}

async function readControl(member: ArMember, where: string): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  const stream = decompress(member.content, { maxOutputBytes: maxControlBytes });
  for await (const entry of readTar(stream, { where: `control part of ${where}`, duplicates: "refuse" })) {
    if (entry.kind === "directory") continue;
    if (entry.kind !== "file" || entry.path.includes("/"))
      throw malformed("plain files at the top of the control part", entry.path, where);
    if (found.size === maxControlFiles) {
      throw new KelpieError("limit-exceeded", "A package has too many control files", {
        expected: `at most ${maxControlFiles}`,
        where,
      });
    }
    const bytes = await collect(entry.content, maxControlFileBytes, `${entry.path} of ${where}`);
    found.set(entry.path, new TextDecoder().decode(bytes));
  }
  if (!found.has("control")) throw malformed("a file named control", "none", where);
  return found;
}

async function writeData(files: Files, member: ArMember, tarPath: string): Promise<Omit<Members, "control">> {
  await using handle = await files.open(tarPath, "create");
  const hash = createHash("sha256");
  let sizeBytes = 0;
  const stream = decompress(member.content, { maxOutputBytes: maxDataBytes });
  const write = async (bytes: Uint8Array): Promise<void> => {
    await handle.write(bytes, sizeBytes);
    sizeBytes += bytes.length;
    hash.update(bytes);
  };
  for await (const _chunk of tee(stream, { write }));
  await handle.sync();
  return { tarSha256: hash.digest("hex"), tarSizeBytes: sizeBytes };
}

async function treeEntries(
  files: Files,
  stream: AsyncIterable<Uint8Array>,
  tarPath: string,
  { name, version }: ResolvedPackage,
): Promise<TreeEntry[]> {
  const toTreeEntry = tarTreeEntries((offset, sizeBytes) => fileSource(files, tarPath, offset, sizeBytes));
  const entries: TreeEntry[] = [];
  for await (const entry of readTar(stream, { where: `${name} ${version}`, duplicates: "refuse" }))
    entries.push(toTreeEntry(entry));
  return entries;
}

function toArchive(
  chosen: ResolvedPackage,
  files: ReadonlyMap<string, string>,
  entries: readonly TreeEntry[],
): DebianArchive {
  const where = `control of ${chosen.name} ${chosen.version}`;
  const control = parseStanza(files.get("control") ?? "", { where });
  const architecture = requiredField(control, "Architecture", where);
  const found = `${requiredField(control, "Package", where)} ${requiredField(control, "Version", where)}`;
  if (
    found !== `${chosen.name} ${chosen.version}` ||
    (architecture !== "all" && architecture !== chosen.architecture)
  ) {
    throw new KelpieError("digest-mismatch", "A package is another than its index says", {
      expected: `${chosen.name} ${chosen.version} for ${chosen.architecture}`,
      found: `${found} for ${architecture}`,
      where: chosen.location,
    });
  }
  const others = new Map([...files].filter(([name]) => name !== "control"));
  return {
    package: chosen,
    entries,
    scripts: new Map([...others].filter(([name]) => scriptNames.includes(name))),
    configurationFiles: configurationFiles(others.get("conffiles") ?? ""),
    control,
    controlFiles: others,
  };
}

/** One absolute path a line; a flag may stand before it (deb-conffiles(5)). */
function configurationFiles(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line.startsWith("/"))
    .map((line) => line.slice(1));
}

async function* hashed(
  source: AsyncIterable<Uint8Array>,
  hash: { update(bytes: Uint8Array): unknown },
): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    hash.update(chunk);
    yield chunk;
  }
}

function pathsOf({ directory, sha256 }: UnpackedPlace): { readonly tar: string; readonly record: string } {
  return { tar: join(directory, `${sha256}.tar`), record: join(directory, `${sha256}.json`) };
}

function malformed(expected: string, found: string, where: string): KelpieError {
  return new KelpieError("malformed", "Cannot read a Debian package", { expected, found, where });
}
