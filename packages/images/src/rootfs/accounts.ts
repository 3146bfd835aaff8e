// Users and groups: /etc/passwd, /etc/group and /etc/shadow as a value.

import { KelpieError } from "@kelpie/platform";
import { type Ownership, readText, type TreeEditor } from "./image-tree.ts";

interface User {
  readonly name: string;
  readonly password: string;
  readonly uid: number;
  readonly gid: number;
  readonly comment: string;
  readonly home: string;
  readonly shell: string;
}

interface Group {
  readonly name: string;
  readonly password: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/** A user to add. */
export interface NewUser {
  readonly name: string;
  /** Default: the next free number of the system's range. */
  readonly uid?: number | undefined;
  readonly gid: number;
  readonly comment?: string | undefined;
  readonly home?: string | undefined;
  readonly shell?: string | undefined;
}

/** Numbers that a package's own users get where it does not ask for one, as adduser and busybox give them: from the first. */
const systemIds = { first: 100, last: 999 } as const;

interface OwnedByName {
  readonly owner?: string | undefined;
  readonly group?: string | undefined;
  readonly mode?: string | undefined;
}

/** The accounts of an image. Adding what is there already, and is the same, changes nothing. */
export class Accounts {
  readonly #users: Map<string, User>;
  readonly #groups: Map<string, Group>;
  /** Lines of /etc/shadow by user. */
  readonly #shadow: Map<string, string>;

  private constructor(users: Map<string, User>, groups: Map<string, Group>, shadow: Map<string, string>) {
    this.#users = users;
    this.#groups = groups;
    this.#shadow = shadow;
  }

  /** Reads the image's files. A missing file is an empty one. @throws KelpieError `malformed` with file and line. */
  static async read(tree: TreeEditor["tree"]): Promise<Accounts> {
    const [passwd, group, shadow] = await Promise.all(
      ["/etc/passwd", "/etc/group", "/etc/shadow"].map(async (path) => (await readText(tree, path)) ?? ""),
    );
    return Accounts.parse(passwd ?? "", group ?? "", shadow ?? "");
  }

  static parse(passwd: string, group: string, shadow: string): Accounts {
    const users = parseLines(
      passwd,
      "/etc/passwd",
      7,
      ([name, password, uid, gid, comment, home, shell]) => ({
        name,
        password,
        uid: parseId(uid),
        gid: parseId(gid),
        comment,
        home,
        shell,
      }),
    );
    const groups = parseLines(group, "/etc/group", 4, ([name, password, gid, members]) => ({
      name,
      password,
      gid: parseId(gid),
      members: members.split(",").filter((member) => member !== ""),
    }));
    const shadows = parseLines(shadow, "/etc/shadow", 9, (fields) => ({
      name: fields[0],
      line: fields.join(":"),
    }));
    return new Accounts(users, groups, new Map([...shadows].map(([name, { line }]) => [name, line])));
  }

  /** The number of a user; a name of digits is that number. @throws KelpieError `invalid-input` for one that is not there. */
  uid(name: string): number {
    return this.#users.get(name)?.uid ?? numeric(name) ?? unknownName("user", name, this.#users.keys());
  }

  /** The number of a group, as {@link uid}. */
  gid(name: string): number {
    return this.#groups.get(name)?.gid ?? numeric(name) ?? unknownName("group", name, this.#groups.keys());
  }

  /** What a spec or an effect says of a file's owner, group and octal mode, in numbers; root's where it does not say. */
  ownership({ owner, group, mode }: OwnedByName, defaultMode: number): Ownership {
    return {
      mode: mode === undefined ? defaultMode : Number.parseInt(mode, 8),
      uid: owner === undefined ? 0 : this.uid(owner),
      gid: group === undefined ? 0 : this.gid(group),
    };
  }

  /** All numbers by name. */
  numbers(): { readonly users: ReadonlyMap<string, number>; readonly groups: ReadonlyMap<string, number> } {
    return {
      users: new Map([...this.#users.values()].map(({ name, uid }) => [name, uid])),
      groups: new Map([...this.#groups.values()].map(({ name, gid }) => [name, gid])),
    };
  }

  hasUser(name: string): boolean {
    return this.#users.has(name);
  }

  hasGroup(name: string): boolean {
    return this.#groups.has(name);
  }

  /** Adds a group and returns its number. @throws KelpieError `already-exists` if it has another number. */
  addGroup(name: string, gid?: number): number {
    const existing = this.#groups.get(name);
    if (existing !== undefined) {
      if (gid !== undefined && existing.gid !== gid) throw taken("group", name, existing.gid, gid);
      return existing.gid;
    }
    const number = gid ?? this.#freeId();
    this.#groups.set(name, { name, password: "x", gid: number, members: [] });
    return number;
  }

  /** Adds a locked user and returns its number. @throws KelpieError `already-exists` if it has another number. */
  addUser(user: NewUser): number {
    const { name, gid, comment = "", home = "/", shell = "/sbin/nologin" } = user;
    const existing = this.#users.get(name);
    if (existing !== undefined) {
      if (user.uid !== undefined && existing.uid !== user.uid)
        throw taken("user", name, existing.uid, user.uid);
      return existing.uid;
    }
    const uid = user.uid ?? this.#freeId(gid);
    this.#users.set(name, { name, password: "x", uid, gid, comment, home, shell });
    this.#shadow.set(name, `${name}:!::0:::::`);
    return uid;
  }

  addMember(user: string, group: string): void {
    const existing = this.#groups.get(group);
    if (existing === undefined) return unknownName("group", group, this.#groups.keys());
    if (existing.members.includes(user)) return;
    this.#groups.set(group, { ...existing, members: [...existing.members, user] });
  }

  /** Writes the three files. Every user has a line in /etc/shadow, which only root and the group shadow may read. */
  write(editor: TreeEditor): void {
    for (const { name, password } of this.#users.values()) {
      if (!this.#shadow.has(name)) {
        // What an old-style passwd says stays true: "*" never logs in, and no password at all stays none.
        this.#shadow.set(name, `${name}:${password === "x" ? "*" : password}::0:::::`);
      }
    }
    const users = [...this.#users.values()].map(({ name, uid, gid, comment, home, shell }) =>
      [name, "x", uid, gid, comment, home, shell].join(":"),
    );
    const groups = [...this.#groups.values()].map(({ name, password, gid, members }) =>
      [name, password === "*" ? "x" : password, gid, members.join(",")].join(":"),
    );
    const shadow = [...this.#users.keys()].map((name) => this.#shadow.get(name) ?? "");
    editor.text("/etc/passwd", lines(users), { mode: 0o644 });
    editor.text("/etc/group", lines(groups), { mode: 0o644 });
    editor.text("/etc/shadow", lines(shadow), { mode: 0o640, gid: this.#groups.get("shadow")?.gid ?? 0 });
  }

  /** The preferred number, or else the first that neither a user nor a group has. */
  #freeId(preferred?: number): number {
    const used = new Set([
      ...[...this.#users.values()].map(({ uid }) => uid),
      ...[...this.#groups.values()].map(({ gid }) => gid),
    ]);
    const userIds = new Set([...this.#users.values()].map(({ uid }) => uid));
    if (preferred !== undefined && isSystemId(preferred) && !userIds.has(preferred)) return preferred;
    for (let id: number = systemIds.first; id <= systemIds.last; id++) if (!used.has(id)) return id;
    throw new KelpieError("limit-exceeded", "No number is left for another system user or group", {
      expected: `one from ${systemIds.first} to ${systemIds.last}`,
    });
  }
}

function isSystemId(id: number): boolean {
  return id >= systemIds.first && id <= systemIds.last;
}

type Fields<N extends number, T extends string[] = []> = T["length"] extends N
  ? T
  : Fields<N, [...T, string]>;

function parseLines<N extends number, T extends { readonly name: string }>(
  text: string,
  where: string,
  fieldCount: N,
  read: (fields: Fields<N>) => T,
): Map<string, T> {
  const found = new Map<string, T>();
  for (const [index, line] of text.split("\n").entries()) {
    if (line === "" || line.startsWith("#")) continue;
    const fields = line.split(":");
    const complete = hasFields(fields, fieldCount);
    if (!complete) {
      throw new KelpieError("malformed", `A line of ${where} is not as expected`, {
        expected: `${fieldCount} fields`,
        found: `${fields.length}`,
        where: `${where}:${index + 1}`,
      });
    }
    const value = read(fields);
    if (!found.has(value.name)) found.set(value.name, value);
  }
  return found;
}

function hasFields<N extends number>(fields: string[], count: N): fields is Fields<N> & string[] {
  return fields.length === count;
}

function parseId(text: string): number {
  const id = numeric(text);
  if (id !== undefined && id <= 0xff_ff_ff_fe) return id;
  throw new KelpieError("malformed", "A user's or group's number is not one", {
    expected: "0 to 4294967294",
    found: JSON.stringify(text),
  });
}

function numeric(text: string): number | undefined {
  return /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}

function unknownName(kind: string, name: string, known: Iterable<string>): never {
  throw new KelpieError("invalid-input", `The image has no ${kind} ${name}`, {
    expected: `one of ${[...known].join(", ")}, one that the spec adds, or a number`,
  });
}

function taken(kind: string, name: string, existing: number, wanted: number): KelpieError {
  return new KelpieError("already-exists", `The image has another ${kind} ${name} already`, {
    expected: `number ${wanted}`,
    found: `${existing}`,
  });
}

function lines(values: readonly string[]): string {
  return values.map((value) => `${value}\n`).join("");
}
