// What a program in the guest finds in a shared directory that it has for itself, and what the host finds there in the end.

import { lstat, readdir, readFile, readlink, stat } from "node:fs/promises";
import { type Behaviour, type Difference, inOrder, probe } from "./world.ts";

/** 9p, where its client in the guest or its server in QEMU knows less than a local file system. */
const by9p = (sees: string, because: string): Pick<Behaviour, "differs"> => ({
  differs: { "9p": { sees, because } },
});
const nameless: Difference = { sees: "ENOTSUP", because: "the protocol has no such call" };
const noDevices = "a device that a guest makes must not be one of the host's";
/** 10,000 take minutes under emulation. */
const manyFiles = process.env["KELPIE_SHARES_LONG"] === undefined ? 1000 : 10_000;
/** Where whoever runs the sandbox is not root on the host, and so neither is what serves the directory. */
const forUsers = (by9p: string, byVirtiofs: string): Required<Pick<Behaviour, "forUsers">> => {
  const because = "only root has that power on the host";
  return { forUsers: { "9p": { sees: by9p, because }, virtiofs: { sees: byVirtiofs, because } } };
};
const only = (seen: boolean, otherwise: string): string => (seen ? "ok" : otherwise);
const modeOf = async (path: string): Promise<string> => ((await stat(path)).mode & 0o7777).toString(8);

export const guestBehaviours: readonly Behaviour[] = [
  probe("a file is made, read, and made only once", "create"),
  probe("files are appended to and truncated", "append_and_truncate"),
  probe("several buffers are read and written at once, and files are copied by the kernel", "vectors"),
  probe("renaming over a file replaces it, and whoever had it open keeps it", "rename_over", {
    atHome: async ({ path }) => only((await readFile(`${path}/b`, "utf8")) === "a", "another file"),
  }),
  probe("directories are renamed, onto empty ones alone and never into themselves", "rename_directories", {
    atHome: async ({ path }) =>
      only((await readFile(`${path}/other/moved/file`, "utf8")) === "kept", "lost content"),
  }),
  probe(
    "a rename can refuse to replace",
    "rename_noreplace",
    by9p("EINVAL", "the guest's client renames without flags"),
  ),
  probe(
    "two names can be exchanged",
    "rename_exchange",
    by9p("EINVAL", "the guest's client renames without flags"),
  ),
  probe("a file that is removed while it is open can still be read and written", "unlink_open"),
  probe(
    "a file that is removed while it is open still has its size, its mode and no links",
    "unlinked_metadata",
    by9p("ENOENT", "QEMU looks a file up by its name, which is gone"),
  ),
  probe("directories are removed only when they are empty", "remove"),
  probe("hard links are one file", "hard_links"),
  probe("symlinks keep their targets to the byte, wherever they lead", "symlinks", {
    atHome: async ({ path }) => {
      const targets = await Promise.all(
        ["relative", "dangling", "self"].map((name) => readlink(`${path}/${name}`)),
      );
      return only(targets.join() === "file,../no/such,self", targets.join());
    },
  }),
  probe("names are bytes up to 255 of them: other scripts, newlines, leading dashes, either case", "names", {
    atHome: async ({ path }) => {
      const names = await readdir(path);
      const wanted = ["-rf", "CASE", "case", "new\nline", "Ünïcødé 名前 🐕", "n".repeat(255)];
      return only(names.length === 12 && wanted.every((name) => names.includes(name)), names.join());
    },
  }),
  probe("names need not be UTF-8", "names_not_utf8", {
    atHome: async ({ path }) => {
      const names = (await readdir(path, { encoding: "buffer" })).map((name) => name.toString("hex"));
      return only(names.sort().join() === "636166e9,c3,fffe", `${names.length} of 3`);
    },
    differsAtHome: { disk: { sees: "0 of 3", because: "names that are not UTF-8 are not carried home" } },
  }),
  probe("directories nest deeper than a path can be long", "deep"),
  probe("modes are kept, and umask is kept to", "modes", {
    forUsers: { "9p": { sees: "EACCES", because: "QEMU may not read what its user may not" } },
    atHome: async ({ path }) =>
      only((await modeOf(`${path}/masked`)) === "640", await modeOf(`${path}/masked`)),
  }),
  probe("setuid, setgid and sticky bits are kept", "special_modes", {
    atHome: async ({ path }) => only((await modeOf(`${path}/file`)) === "6755", await modeOf(`${path}/file`)),
    differsAtHome: {
      disk: { sees: "755", because: "no setuid, setgid or sticky bit comes home from a disk" },
    },
  }),
  probe("what is made in a setgid directory has its group", "setgid_directory", {
    ...by9p("the bit is lost", "QEMU may not set it for a group that is not its own"),
    ...forUsers("EPERM", "EINVAL"),
  }),
  probe(
    "a setuid file that another writes to is none any more",
    "setuid_is_lost_by_writing",
    forUsers("EPERM", "EINVAL"),
  ),
  probe(
    "root makes files that are root's, and gives them away",
    "chown",
    forUsers("root's file is another's", "EINVAL"),
  ),
  probe(
    "an ordinary user of the guest is held to modes and owners",
    "ordinary_user",
    forUsers("EPERM", "EINVAL"),
  ),
  probe("times follow what is done, and can be set to before and after 2038 and 2106", "times"),
  probe(
    "times can be set to the nanosecond",
    "nanoseconds",
    by9p("987654321000000000", "the guest's client sets whole seconds"),
  ),
  probe("user attributes are set, read, listed and removed", "xattrs"),
  probe("attributes of security modules are kept", ["xattr", "security.kelpie"], {
    differs: {
      virtiofs: { sees: "EPERM", because: "virtiofsd has no power over them" },
      "9p": { sees: "ENOTSUP", because: "the guest's client takes user attributes alone" },
    },
  }),
  probe("capabilities of files are kept", ["xattr", "security.capability"], {
    differs: {
      virtiofs: { sees: "EPERM", because: "a program that a guest makes must have no powers on the host" },
      "9p": { sees: "ENOTSUP", because: "the guest's client takes user attributes alone" },
    },
  }),
  probe(
    "attributes may be empty",
    "xattr_empty",
    by9p("ENODATA", "setting an empty one means removing it there"),
  ),
  probe("attributes that only root sees are kept", ["xattr", "trusted.kelpie"], {
    differs: {
      virtiofs: { sees: "EPERM", because: "virtiofsd has no power over them" },
      "9p": { sees: "ENOTSUP", because: "the guest's client takes user attributes alone" },
    },
  }),
  probe("access control lists are kept", "acl", {
    ...by9p("ENOTSUP", "the guest's client takes user attributes alone"),
    ...forUsers("ENOTSUP", "EINVAL"),
  }),
  probe("named pipes work", "fifo", by9p("ENXIO", "QEMU opens no special files")),
  probe("sockets work", "unix_socket", by9p("ENXIO", "QEMU opens no special files")),
  probe("character devices can be made", ["device", "null"], {
    differs: { virtiofs: { sees: "EPERM", because: noDevices }, "9p": { sees: "EPERM", because: noDevices } },
  }),
  probe("block devices can be made", ["device", "disk"], {
    differs: { virtiofs: { sees: "EPERM", because: noDevices }, "9p": { sees: "EPERM", because: noDevices } },
  }),
  probe("a file can be made without a name and get one later", "tmpfile", {
    differs: { virtiofs: nameless, "9p": nameless },
  }),
  probe("files of more than 4 GiB are read and written, and only what was written takes room", "large", {
    atHome: async ({ path }) => {
      const { size, blocks } = await stat(`${path}/file`);
      return only(size === 2 ** 32 + 1 && blocks * 512 < 1 << 20, `${size} bytes in ${blocks} blocks`);
    },
  }),
  probe("holes are found", "holes", by9p("data at 0", "the protocol has no such call")),
  probe("room can be set aside", "allocate", by9p("ENOTSUP", "the protocol has no such call")),
  probe("holes can be punched", "punch_hole", by9p("ENOTSUP", "the protocol has no such call")),
  probe("files can be written past the cache", "direct"),
  probe("files, directories and the whole can be synced", "sync"),
  probe("mappings are shared between processes and written to the file", "mapped", {
    atHome: async ({ path }) => {
      const content = await readFile(`${path}/file`, "latin1");
      return only(
        content.slice(5000, 5005) + content.slice(9000, 9003) === "hellokid",
        "lost what was mapped",
      );
    },
  }),
  probe("scripts and binaries are run from it", "executed"),
  probe("two processes write one SQLite database with a rollback journal", ["database", "delete"]),
  probe("two processes write one SQLite database with a write-ahead log", ["database", "wal"]),
  probe("entries have their kinds, and inodes keep their numbers", "listing"),
  probe(`${manyFiles} files are made, listed, looked at and removed`, ["many", manyFiles]),
  probe("a directory is listed whole while it is emptied, and from places gone back to", [
    "seek_while_deleting",
    1000,
  ]),
  probe("it has a size and free space", "space"),
  ...["flock", "fcntl"].map(
    (kind): Behaviour => ({
      name: `a lock by ${kind} keeps another process out until it is let go`,
      observe: ({ guest, other }) =>
        inOrder(
          () => guest.ask("lock", kind),
          async () => only((await other.ask("lock", kind)) === "EAGAIN", "two processes hold it"),
          () => guest.ask("unlock", kind),
          () => other.ask("lock", kind),
        ),
    }),
  ),
  {
    name: "locks by fcntl are of bytes",
    observe: ({ guest, other }) =>
      inOrder(
        () => guest.ask("lock", "fcntl", 0, 10),
        () => other.ask("lock", "fcntl", 10, 10),
        async () => only((await other.ask("lock", "fcntl", 9, 1)) === "EAGAIN", "two processes hold it"),
      ),
  },
  probe(
    "locks by flock and by fcntl do not meet",
    "two_kinds_of_locks",
    by9p("EAGAIN", "the guest's client makes one kind of both"),
  ),
  probe("locks go with their process", "lock_goes_with_its_process"),
  probe("locks of open files keep others out", "open_file_description_locks"),
  probe("a process waits for a lock and sees what was written before it was let go", "waits_for_a_lock"),
  probe("what two processes append is whole lines, and all of them", "two_append", {
    atHome: async ({ path }) => {
      const lines = new Set((await readFile(`${path}/log`, "utf8")).split("\n"));
      return only(lines.size === 401, `${lines.size - 1} lines`);
    },
  }),
  {
    name: "a file's owner and mode are what the guest says",
    observe: ({ guest }) => guest.ask("writes", "file", "x"),
    atHome: async ({ path }) => {
      const { uid, mode } = await lstat(`${path}/file`);
      return only(uid === process.getuid?.() && (mode & 0o777) === 0o644, `${uid} ${mode.toString(8)}`);
    },
  },
];
