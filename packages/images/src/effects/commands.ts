// What commands met in install scripts come to: nothing that an image keeps, or effects that Kelpie applies itself.

import type { Effect } from "./effect.ts";
import type { ShellWord } from "./shell.ts";

/** Builtins and readers: they change nothing on disk. */
const readers = new Set(
  `: [ [[ true false test set unset export local readonly shift return exit break continue read trap umask cd
  echo printf type command hash wait getopts basename dirname readlink realpath stat ls wc head tail cut tr sort uniq
  cat cmp diff grep egrep fgrep id whoami uname date getent which md5sum sha256sum sha512sum mktemp sleep pidof seq expr
  getcap lsb_release ischroot telinit`.split(/\s+/),
);

/** Helpers that act only on an upgrade, on a running service manager, or on databases that an image does not have. */
const helpers = new Set(
  `dpkg dpkg-query dpkg-trigger dpkg-maintscript-helper dpkg-realpath deb-systemd-helper deb-systemd-invoke systemctl
  systemd systemd-tmpfiles invoke-rc.d update-rc.d rc-service rc-update busctl update-menus update-binfmts py3compile
  pypy3compile py3clean update-initramfs update-mime update-grub install-info apt-config restorecon nscd apk db_version db_capb db_get db_set db_fset db_reset db_subst db_input db_go db_stop
  db_metaget db_title db_unregister ldconfig`.split(/\s+/),
);

/** Whether a command leaves nothing behind on a first installation. */
export function harmlessCommands(name: string, words: readonly ShellWord[]): boolean {
  const has = (pattern: RegExp): boolean => words.slice(1).some(({ text }) => pattern.test(text));
  if (name === "sed") return !has(/^(-[a-zA-Z]*i|--in-place)/);
  // Start scripts are for another init.
  if (name === "chmod") return words.length === 3 && words[2]?.text.startsWith("/etc/init.d/") === true;
  if (name === "find") return !has(/^-(exec|execdir|ok|delete|fprint)/);
  // A sourced file could hold anything; debconf's own library only asks questions.
  if (name === ".") return words[1]?.text === "/usr/share/debconf/confmodule";
  return readers.has(name) || helpers.has(name);
}

/** The effects of a command all of whose words are known, or undefined where they are not. */
export function nativeEffects(name: string, args: readonly string[]): readonly Effect[] | undefined {
  switch (name) {
    case "update-alternatives":
      return alternative(args);
    case "add-shell":
      return args.map((path) => ({ do: "shell", path }));
    case "update-ca-certificates":
      return [{ do: "ca-certificates" }];
    case "addgroup":
      return args.includes("--system") ? debianGroup(args) : busyboxGroup(args);
    case "adduser":
      return args.includes("--system") ? debianUser(args) : busyboxUser(args);
    default:
      return undefined;
  }
}

function alternative(words: readonly string[]): readonly Effect[] | undefined {
  const args = words.filter((word) => word !== "--quiet");
  if (["--auto", "--remove", "--remove-all"].includes(args[0] ?? "")) return [];
  const [install, link, name, path, priority, ...rest] = args;
  if (install !== "--install" || link === undefined || name === undefined || path === undefined)
    return undefined;
  const slaves: { link: string; name: string; path: string }[] = [];
  for (let at = 0; at < rest.length; at += 4) {
    const [option, slaveLink, slaveName, slavePath] = rest.slice(at, at + 4);
    if (option !== "--slave" || slaveLink === undefined || slaveName === undefined || slavePath === undefined)
      return undefined;
    slaves.push({ link: slaveLink, name: slaveName, path: slavePath });
  }
  const number = Number(priority);
  return Number.isInteger(number)
    ? [{ do: "alternative", link, name, path, priority: number, slaves }]
    : undefined;
}

/** Options with their values, and the words beside them; undefined for an option that is not in the lists. */
function parseOptions(
  args: readonly string[],
  flags: readonly string[],
  valued: readonly string[],
): { readonly options: ReadonlyMap<string, string>; readonly words: readonly string[] } | undefined {
  const options = new Map<string, string>();
  const words: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? "";
    const assigned = /^(--[a-z-]+)=(.*)$/.exec(arg);
    if (assigned?.[1] !== undefined && valued.includes(assigned[1]))
      options.set(assigned[1], assigned[2] ?? "");
    else if (valued.includes(arg)) options.set(arg, args[++at] ?? "");
    else if (flags.includes(arg)) options.set(arg, "");
    else if (
      /^-[A-Za-z]{2,}$/.test(arg) &&
      Array.from(arg.slice(1)).every((letter) => flags.includes(`-${letter}`))
    )
      for (const letter of arg.slice(1)) options.set(`-${letter}`, "");
    else if (arg.startsWith("-")) return undefined;
    else words.push(arg);
  }
  return { options, words };
}

/** busybox addgroup [-S] [-g GID] GROUP, or addgroup USER GROUP. */
function busyboxGroup(args: readonly string[]): readonly Effect[] | undefined {
  const parsed = parseOptions(args, ["-S"], ["-g"]);
  const [first, second, ...more] = parsed?.words ?? [];
  if (parsed === undefined || first === undefined || more.length > 0) return undefined;
  if (second !== undefined) return [{ do: "member", user: first, group: second }];
  return [{ do: "group", name: first, ...numberOption(parsed.options, "-g", "gid") }];
}

/** busybox adduser [-SDH] [-h DIR] [-g GECOS] [-s SHELL] [-G GROUP] [-u UID] USER, or adduser USER GROUP. */
function busyboxUser(args: readonly string[]): readonly Effect[] | undefined {
  const parsed = parseOptions(args, ["-S", "-D", "-H"], ["-h", "-g", "-s", "-G", "-u", "-k"]);
  const [name, group, ...more] = parsed?.words ?? [];
  if (parsed === undefined || name === undefined || more.length > 0) return undefined;
  if (group !== undefined) return [{ do: "member", user: name, group }];
  const { options } = parsed;
  const home = options.get("-h");
  return [
    {
      do: "user",
      name,
      ...numberOption(options, "-u", "uid"),
      ...textOption(options, "-G", "group"),
      ...textOption(options, "-h", "home"),
      ...textOption(options, "-s", "shell"),
      ...textOption(options, "-g", "comment"),
    },
    ...(home === undefined || options.has("-H") ? [] : [homeDirectory(home, name, options.get("-G"))]),
  ];
}

function debianGroup(args: readonly string[]): readonly Effect[] | undefined {
  const parsed = parseOptions(
    args,
    ["--system", "--quiet", "--force-badname", "--allow-bad-names"],
    ["--gid"],
  );
  const [name, ...more] = parsed?.words ?? [];
  if (parsed === undefined || name === undefined || more.length > 0) return undefined;
  return [{ do: "group", name, ...numberOption(parsed.options, "--gid", "gid") }];
}

function debianUser(args: readonly string[]): readonly Effect[] | undefined {
  const parsed = parseOptions(
    args,
    `--system --quiet --group --no-create-home --disabled-password --disabled-login --force-badname --allow-bad-names
    --allow-badname`.split(/\s+/),
    ["--home", "--gecos", "--comment", "--shell", "--ingroup", "--uid", "--gid"],
  );
  const [name, ...more] = parsed?.words ?? [];
  if (parsed === undefined || name === undefined || more.length > 0 || parsed.options.has("--gid"))
    return undefined;
  const { options } = parsed;
  const ownGroup = options.has("--group");
  const group = ownGroup ? name : (options.get("--ingroup") ?? "nogroup");
  const home = options.get("--home");
  return [
    ...(ownGroup ? [{ do: "group" as const, name }] : []),
    {
      do: "user",
      name,
      group,
      shell: options.get("--shell") ?? "/usr/sbin/nologin",
      home: home ?? "/nonexistent",
      ...numberOption(options, "--uid", "uid"),
      ...textOption(options, "--gecos", "comment"),
      ...textOption(options, "--comment", "comment"),
    },
    ...(home === undefined || options.has("--no-create-home") ? [] : [homeDirectory(home, name, group)]),
  ];
}

function homeDirectory(path: string, owner: string, group: string | undefined): Effect {
  return { do: "directory", path, mode: "0755", owner, ...(group === undefined ? {} : { group }) };
}

function numberOption<Key extends string>(
  options: ReadonlyMap<string, string>,
  option: string,
  key: Key,
): Partial<Record<Key, number>> {
  const text = options.get(option);
  return text === undefined || !/^\d+$/.test(text) ? {} : recordOf(key, Number(text));
}

function textOption<Key extends string>(
  options: ReadonlyMap<string, string>,
  option: string,
  key: Key,
): Partial<Record<Key, string>> {
  const text = options.get(option);
  return text === undefined ? {} : recordOf(key, text);
}

function recordOf<Key extends string, Value>(key: Key, value: Value): Partial<Record<Key, Value>> {
  const record: Partial<Record<Key, Value>> = {};
  record[key] = value;
  return record;
}
