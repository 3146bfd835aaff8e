// What host and guest see of each other in a directory that they share while the guest runs, and what the guest must never see.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, mkdir, open, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { type Behaviour, inOrder, type World } from "./world.ts";

/** Attributes and names that the guest's kernel keeps, it keeps for a second. */
const seenWithinMs = 1500;
const only = (isSo: boolean, otherwise: string): string => (isSo ? "ok" : otherwise);

/** Does it on the host; "ok". */
const onHost = (action: () => Promise<unknown>) => async (): Promise<string> => {
  await action();
  return "ok";
};

/** A program of the host's that holds a lock until it is killed. */
async function lockOnHost(path: string, kind: "flock" | "fcntl"): Promise<AsyncDisposable> {
  const flock = [
    "-c",
    "import fcntl,sys;f=open(sys.argv[1],'r+');fcntl.flock(f,2);print('held',flush=True);sys.stdin.read()",
  ];
  const lockf = [
    "-c",
    "import fcntl,sys;f=open(sys.argv[1],'r+');fcntl.lockf(f,2);print('held',flush=True);sys.stdin.read()",
  ];
  const child = spawn("python3", [...(kind === "flock" ? flock : lockf), path], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  return {
    [Symbol.asyncDispose]: async () => {
      const gone = once(child, "exit");
      child.stdin.end();
      await gone;
    },
  };
}

function seesAnew(
  what: string,
  how: "open" | "descriptor" | "mapping" | "mapping of a held file",
  differs: Behaviour["differs"] = {},
): Behaviour {
  return {
    name: `${what} sees what the host writes, within a second and a half`,
    isLive: true,
    differs,
    observe: ({ guest, path }) =>
      inOrder(
        onHost(() => writeFile(`${path}/file`, "before")),
        () => guest.ask("reads", "file", "before", 0, how),
        onHost(() => writeFile(`${path}/file`, "after!")),
        () => guest.ask("reads", "file", "after!", seenWithinMs, how),
      ),
  };
}

function locksBetween(kind: "flock" | "fcntl"): Behaviour {
  const because = "locks are kept by the guest's kernel alone";
  return {
    name: `a lock by ${kind} of the host's keeps the guest out`,
    isLive: true,
    observe: async ({ guest, path }) => {
      await writeFile(`${path}/file`, "");
      await using _ = await lockOnHost(`${path}/file`, kind);
      return only((await guest.ask("lock", kind)) === "EAGAIN", "both hold it");
    },
    differs: { virtiofs: { sees: "both hold it", because }, "9p": { sees: "both hold it", because } },
  };
}

const secret = "what only the host may read";

/** A symlink and a directory of the same name, exchanged on the host as fast as it goes while the guest walks through it. */
async function neverLeads({ guest, path, outside }: World): Promise<string> {
  await writeFile(`${outside}/secret`, secret);
  await mkdir(`${path}/real`);
  await writeFile(`${path}/real/secret`, "what the guest may read");
  await symlink(outside, `${path}/link`);
  const over = new AbortController();
  const swapping = (async () => {
    while (!over.signal.aborted) {
      for (const name of ["real", "link"]) {
        await rename(`${path}/${name}`, `${path}/way`);
        await new Promise((resolve) => setImmediate(resolve));
        await rename(`${path}/way`, `${path}/${name}`);
      }
    }
  })();
  const seen = await guest.ask("never_reads", "way/secret", secret, 300).finally(() => over.abort());
  await swapping;
  return seen;
}

export const liveBehaviours: readonly Behaviour[] = [
  {
    name: "what the guest writes is on the host at once",
    isLive: true,
    observe: ({ guest, path }) =>
      inOrder(
        () => guest.ask("writes", "file", "from the guest"),
        async () => only((await readFile(`${path}/file`, "utf8")) === "from the guest", "other content"),
        () => guest.ask("writes_mapped", "file", "BY"),
        async () =>
          only((await readFile(`${path}/file`, "utf8")) === "BYom the guest", "not what was mapped"),
      ),
  },
  seesAnew("a program that opens a file", "open"),
  seesAnew("a program that has a file open", "descriptor"),
  seesAnew("a program that opens and maps a file", "mapping"),
  seesAnew("a program that maps a file which it keeps open", "mapping of a held file", {
    "9p": { sees: "still b'before'", because: "mapped pages stay as they are while the file is open" },
  }),
  {
    name: "what the host appends to a file that the guest has read is seen within a second and a half",
    isLive: true,
    observe: ({ guest, path }) =>
      inOrder(
        onHost(() => writeFile(`${path}/log`, "one\n")),
        () => guest.ask("reads", "log", "one\n", 0),
        onHost(() => appendFile(`${path}/log`, "two\n")),
        () => guest.ask("reads", "log", "one\ntwo\n", seenWithinMs),
      ),
  },
  {
    name: "names that come and go on the host are seen",
    isLive: true,
    observe: ({ guest, path }) =>
      inOrder(
        () => guest.ask("reads", "new", "ENOENT", 0),
        onHost(() => writeFile(`${path}/new`, "content")),
        () => guest.ask("reads", "new", "content", seenWithinMs),
        () => guest.ask("lists", ["new"]),
        onHost(() => rename(`${path}/new`, `${path}/renamed`)),
        () => guest.ask("reads", "renamed", "content", seenWithinMs),
        () => guest.ask("reads", "new", "ENOENT", seenWithinMs),
        onHost(() => rm(`${path}/renamed`)),
        () => guest.ask("reads", "renamed", "ENOENT", seenWithinMs),
        () => guest.ask("lists", []),
      ),
  },
  {
    name: "of what host and guest append at once nothing is lost",
    isLive: true,
    observe: async ({ guest, path }) => {
      const count = 400;
      const linesOf = (who: string): string[] =>
        Array.from({ length: count }, (_, number) => `${who} ${number} `.padEnd(39, "."));
      await using log = await open(`${path}/log`, "a");
      const seen = guest.ask("appends", "guest", count);
      for (const line of linesOf("host")) {
        await log.write(`${line}\n`);
        await new Promise((resolve) => setImmediate(resolve));
      }
      if ((await seen) !== "ok") return await seen;
      const text = await readFile(`${path}/log`, "utf8");
      const whole = new Set(text.split("\n"));
      const cut = linesOf("guest").filter((line) => !whole.has(line)).length;
      // By virtiofs a write that crosses a page is two, and a line of the host's may come between.
      return only(
        text.length === 2 * count * 40 && linesOf("host").every((line) => text.includes(line)) && cut <= 8,
        `${text.length} bytes of ${2 * count * 40}, ${cut} lines cut`,
      );
    },
  },
  {
    name: "a file that host and guest replace by renaming is always a whole one",
    isLive: true,
    observe: async ({ guest, path }) => {
      await writeFile(`${path}/current`, "host ".repeat(500));
      const over = new AbortController();
      const torn: string[] = [];
      const replacing = (async () => {
        for (let number = 0; !over.signal.aborted; number++) {
          await writeFile(`${path}/host.tmp`, `host${number} `.repeat(500));
          await rename(`${path}/host.tmp`, `${path}/current`);
          const words = (await readFile(`${path}/current`, "utf8")).split(" ");
          if (words.length !== 501 || new Set(words).size !== 2) torn.push(`${words.length} words`);
        }
      })();
      const seen = await guest.ask("replaces", "guest", 100).finally(() => over.abort());
      await replacing;
      return torn.length === 0 ? seen : `the host read ${torn.join()}`;
    },
  },
  {
    name: "host and guest make and remove files in one directory, and both see the same in the end",
    isLive: true,
    observe: async ({ guest, path }) => {
      const making = (async () => {
        for (let number = 0; number < 300; number++) {
          await writeFile(`${path}/host-${number}`, "");
          if (number % 2 === 0) await rm(`${path}/host-${number}`);
        }
      })();
      const seen = await guest.ask("makes_and_removes", "guest", 300);
      await making;
      if (seen !== "ok") return seen;
      const names = await readdir(path);
      if (names.length !== 300) return `${names.length} names on the host`;
      return await guest.ask("lists", names);
    },
  },
  locksBetween("flock"),
  locksBetween("fcntl"),
  {
    name: "a name that the host exchanges with a symlink never leads out of the share",
    isLive: true,
    observe: neverLeads,
    atHome: async ({ outside }) => {
      const names = await readdir(outside);
      return only(names.join() === "secret", `made outside: ${names.join()}`);
    },
  },
  {
    name: "symlinks out of the share lead into the guest's own tree",
    observe: async ({ guest, outside }) => {
      await writeFile(`${outside}/secret`, secret);
      return await guest.ask("leads_nowhere_outside", outside, secret);
    },
    atHome: async ({ outside }) =>
      only((await readFile(`${outside}/secret`, "utf8")) === secret, "written outside of the share"),
  },
];
