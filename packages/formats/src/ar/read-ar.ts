// Reads ar archives as Debian's packages are made of (deb(5)): plain names, no symbol table.

import { KelpieError } from "@kelpie/platform";
import { section } from "../stream/section.ts";
import { StreamReader } from "../stream/stream-reader.ts";

/** One member of an ar archive. */
export interface ArMember {
  /** Without the padding and the "/" that some writers put after it. */
  readonly name: string;
  readonly mtimeSeconds: number;
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
  readonly sizeBytes: number;
  /** Where the content begins in the archive. */
  readonly contentOffset: number;
  /** The content; must be read, or left, before the next member is asked for. */
  readonly content: AsyncIterable<Uint8Array>;
}

export interface ArLimits {
  /** Default 64. */
  readonly maxMembers?: number;
  /** Of one member. Default 4 GiB. */
  readonly maxMemberBytes?: number;
}

const magic = "!<arch>\n";
const headerBytes = 60;
const headerEnd = "`\n";
const defaultLimits: Required<ArLimits> = { maxMembers: 64, maxMemberBytes: 4 * 2 ** 30 };

/**
 * The members of an ar archive, in order.
 *
 * @throws KelpieError `malformed`, `limit-exceeded`, `unsafe-path` (a name with "/" in it), `unsupported` (GNU and BSD long
 * names, symbol tables).
 */
export async function* readAr(
  source: AsyncIterable<Uint8Array>,
  options: { readonly limits?: ArLimits; readonly where?: string } = {},
): AsyncGenerator<ArMember, void, undefined> {
  const limits = { ...defaultLimits, ...options.limits };
  const reader = new StreamReader(source, options.where);
  try {
    const found = latin1(await reader.readExactly(magic.length, "An ar archive"));
    if (found !== magic) throw malformed(JSON.stringify(magic), JSON.stringify(found), reader.at(0));
    for (let count = 0; !(await reader.isAtEnd()); count += 1) {
      const where = reader.at();
      if (count >= limits.maxMembers) throw tooMuch(`${limits.maxMembers} members`, where);
      const fields = parseHeader(latin1(await reader.readExactly(headerBytes, "An ar header")), where);
      if (fields.sizeBytes > limits.maxMemberBytes)
        throw tooMuch(`${limits.maxMemberBytes} bytes a member`, where);
      const contentOffset = reader.offset;
      const part = section(reader, fields.sizeBytes, `The content of ${fields.name}`);
      yield { ...fields, contentOffset, content: part.content };
      await part.finish();
      // Headers stand at even offsets. The padding after the last member is missing now and then.
      if (fields.sizeBytes % 2 === 1 && !(await reader.isAtEnd()))
        await reader.skip(1, "The padding of an ar member");
    }
  } finally {
    await reader.close();
  }
}

function parseHeader(header: string, where: string): Omit<ArMember, "content" | "contentOffset"> {
  if (header.slice(58) !== headerEnd) {
    throw malformed(
      `${JSON.stringify(headerEnd)} at the end of a header`,
      JSON.stringify(header.slice(58)),
      where,
    );
  }
  const number = (start: number, end: number, radix: 8 | 10, what: string): number => {
    const text = header.slice(start, end).trimEnd();
    if (!(radix === 8 ? /^[0-7]*$/ : /^[0-9]*$/).test(text)) {
      throw malformed(
        `a ${what} in ${radix === 8 ? "octal" : "decimal"} digits`,
        JSON.stringify(text),
        where,
      );
    }
    return text === "" ? 0 : Number.parseInt(text, radix);
  };
  if (header.slice(48, 58).trim() === "") throw malformed("a size", "none", where);
  return {
    name: parseName(header.slice(0, 16).trimEnd(), where),
    mtimeSeconds: number(16, 28, 10, "time"),
    uid: number(28, 34, 10, "user"),
    gid: number(34, 40, 10, "group"),
    mode: number(40, 48, 8, "mode") & 0o7777,
    sizeBytes: number(48, 58, 10, "size"),
  };
}

function parseName(stated: string, where: string): string {
  if (stated.startsWith("/") || stated.startsWith("#1/")) {
    throw new KelpieError("unsupported", "An ar archive has a long name or a symbol table", {
      expected: "plain names of at most 16 bytes",
      found: JSON.stringify(stated),
      where,
    });
  }
  const name = stated.endsWith("/") ? stated.slice(0, -1) : stated;
  if (name.includes("/") || name === "." || name === "..") {
    throw new KelpieError("unsafe-path", "An ar archive has a name that is a path", {
      found: JSON.stringify(stated),
      where,
    });
  }
  if (!/^[\x20-\x7e]+$/.test(name))
    throw malformed("a name of printable ASCII", JSON.stringify(stated), where);
  return name;
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}

function malformed(expected: string, found: string, where: string): KelpieError {
  return new KelpieError("malformed", "Cannot read an ar archive", { expected, found, where });
}

function tooMuch(limit: string, where: string): KelpieError {
  return new KelpieError("limit-exceeded", "An ar archive holds too much", {
    expected: `at most ${limit}`,
    found: "more",
    where,
  });
}
