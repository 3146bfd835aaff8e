// Debian packages whose maintainer scripts were read, and what of them matters to an image.

import type { Effect } from "./effect.ts";
import type { KnownPackage } from "./known-package.ts";

const rootDirectories = (mode: string, ...paths: string[]): Effect[] =>
  paths.map((path) => ({ do: "directory", path, mode }));

/** Packages whose scripts leave nothing on a first installation, beside what their commands say by themselves. */
const nothing = (...runs: string[]): KnownPackage => ({ runs, effects: [] });

/** The names by which xz-utils stands in for lzma's tools. */
const lzma: Effect = {
  do: "alternative",
  link: "/usr/bin/lzma",
  name: "lzma",
  path: "/usr/bin/xz",
  priority: 20,
  slaves: [
    "unlzma:unxz",
    ...["cat", "more", "less", "diff", "cmp", "grep", "egrep", "fgrep"].map((tool) => `lz${tool}:xz${tool}`),
  ].map((pair) => {
    const [name = "", path = ""] = pair.split(":");
    return { link: `/usr/bin/${name}`, name, path: `/usr/bin/${path}` };
  }),
};

/** By package name. Debian 12's; a script that begins to run other commands is unknown again. */
export const knownDebianPackages: ReadonlyMap<string, KnownPackage> = new Map<string, KnownPackage>([
  // Repairs of older versions' files.
  ["adduser", nothing("mv")],
  ["apt", nothing("rm")],
  ["e2fsprogs", nothing("rm")],
  ["gawk", nothing("rm")],
  ["gcc", nothing("rm")],
  ["init-system-helpers", nothing("dpkg-divert", "ln", "rm")],
  ["libgssapi-krb5-2", nothing("cp")],
  ["pkg-config", nothing("rm")],
  // apt reads the keys where they are.
  ["debian-archive-keyring", nothing("apt-key", "eval")],
  // Without setcap at build time, ping is setuid, as the script itself falls back to.
  [
    "iputils-ping",
    {
      runs: ["chmod", "dpkg-divert", "setcap"],
      effects: [{ do: "chmod", path: "/bin/ping", mode: "4755" }],
    },
  ],
  [
    "libc-bin",
    {
      runs: ["cp"],
      effects: [{ do: "copy", from: "/usr/share/libc-bin/nsswitch.conf", to: "/etc/nsswitch.conf" }],
    },
  ],
  [
    "openssh-client",
    {
      runs: ["chgrp", "chmod", "dpkg-statoverride", "groupmod"],
      effects: [{ do: "chmod", path: "/usr/bin/ssh-agent", group: "_ssh", mode: "2755" }],
    },
  ],
  [
    "sudo",
    {
      runs: ["chmod", "chown", "mv", "rm"],
      effects: [{ do: "chmod", path: "/etc/sudoers", owner: "root", group: "root", mode: "0440" }],
    },
  ],
  ["xz-utils", { runs: ["update-alternatives"], effects: [lzma] }],
  [
    "base-files",
    {
      runs: [">", "chmod", "chown", "cp", "ln", "mkdir", "rmdir"],
      effects: [
        { do: "link", path: "/etc/dpkg/origins/default", target: "debian" },
        { do: "copy", from: "/usr/share/base-files/dot.profile", to: "/root/.profile" },
        { do: "copy", from: "/usr/share/base-files/dot.bashrc", to: "/root/.bashrc" },
        { do: "copy", from: "/usr/share/base-files/profile", to: "/etc/profile" },
        { do: "copy", from: "/usr/share/base-files/motd", to: "/etc/motd" },
        ...rootDirectories("0755", "/mnt", "/srv", "/opt", "/etc/opt", "/var/opt", "/media"),
        { do: "directory", path: "/var/mail", mode: "2775", group: "mail" },
        { do: "link", path: "/var/spool/mail", target: "../mail" },
        ...rootDirectories("1777", "/run/lock"),
        { do: "link", path: "/var/run", target: "/run", replace: true },
        { do: "link", path: "/var/lock", target: "/run/lock", replace: true },
        ...rootDirectories(
          "0755",
          ...["", "/share", "/share/man", "/bin", "/games", "/lib", "/include", "/sbin", "/src", "/etc"].map(
            (name) => `/usr/local${name}`,
          ),
        ),
        { do: "link", path: "/usr/local/man", target: "share/man", replace: true },
        { do: "file", path: "/var/log/wtmp", content: "", group: "utmp", mode: "0664" },
        { do: "file", path: "/var/log/btmp", content: "", group: "utmp", mode: "0660" },
        { do: "file", path: "/var/log/lastlog", content: "", group: "utmp", mode: "0664" },
      ],
    },
  ],
  [
    "base-passwd",
    {
      runs: [">", "cp", "rm", "update-passwd"],
      effects: [
        { do: "copy", from: "/usr/share/base-passwd/passwd.master", to: "/etc/passwd" },
        { do: "copy", from: "/usr/share/base-passwd/group.master", to: "/etc/group" },
      ],
    },
  ],
  // It links /bin/sh only where there is none; dash or busybox has it.
  ["bash", { runs: ["ln"], effects: [{ do: "link", path: "/bin/sh", target: "bash" }] }],
  [
    "ca-certificates",
    {
      runs: [
        ">",
        "chgrp",
        "chmod",
        "chown",
        "dpkg-statoverride",
        "mkdir",
        "mv",
        "rm",
        "update-ca-certificates",
      ],
      effects: [
        { do: "directory", path: "/usr/local/share/ca-certificates", mode: "0755" },
        { do: "ca-certificates" },
      ],
    },
  ],
  // For a /usr/bin apart from /bin.
  ["coreutils", nothing("ln")],
  [
    "dash",
    {
      runs: ["cp", "dpkg-divert", "ln", "mv", "rm", "touch"],
      effects: [{ do: "link", path: "/bin/sh", target: "dash", replace: true }],
    },
  ],
  [
    "debianutils",
    {
      runs: ["cp", "update-shells"],
      effects: [
        { do: "copy", from: "/usr/share/debianutils/shells", to: "/etc/shells" },
        { do: "shells", directory: "/usr/share/debianutils/shells.d" },
      ],
    },
  ],
  // Repairs of older databases.
  ["dpkg", nothing(".", "error", "mv", "setup_colors", "warning")],
  // Repairs of older versions.
  ["git", nothing("ln", "mkdir", "rm")],
  // The capability is for `ip vrf exec` by ordinary users, and off by default.
  ["iproute2", nothing("setcap")],
  // Questions and restarts of upgrades; the loader's directory.
  ["libc6", nothing("ln", "mkdir", "perl", "rm", "touch")],
  [
    "login",
    {
      runs: ["chmod", "chown", "touch"],
      effects: [
        { do: "file", path: "/var/log/faillog", content: "", mode: "0644" },
        { do: "file", path: "/etc/subuid", content: "", mode: "0644" },
        { do: "file", path: "/etc/subgid", content: "", mode: "0644" },
      ],
    },
  ],
  [
    "netbase",
    {
      runs: [">", "mkdir"],
      effects: [
        {
          do: "file",
          path: "/etc/networks",
          content: "default\t\t0.0.0.0\nloopback\t127.0.0.0\nlink-local\t169.254.0.0\n",
        },
      ],
    },
  ],
  ["openssl", { runs: ["ln"], effects: [{ do: "link", path: "/usr/lib/ssl", target: "/etc/ssl" }] }],
  // Every image has shadow passwords.
  ["passwd", { runs: ["groupadd", "shadowconfig"], effects: [{ do: "group", name: "shadow", gid: 42 }] }],
  // Its alternatives are of files that it no longer ships.
  ["procps", nothing("mv", "rm", "update-alternatives")],
  // Hooks that byte-compile modules, which Python does itself when they are used.
  [
    "python3",
    {
      runs: ["$hook", ">", "mkdir", "rm"],
      effects: [
        {
          do: "file",
          path: "/etc/python3/debian_config",
          content:
            "[DEFAULT]\n# how to byte-compile (comma separated: standard, optimize)\nbyte-compile = standard\n",
        },
      ],
    },
  ],
  ["python3-distutils", nothing("$python", "find", "xargs")],
  ["python3-lib2to3", nothing("$python", "find", "xargs")],
  ["python3.11-venv", nothing("python3.11")],
  ["python3.11", nothing("python3.11")],
  [
    "python3.11-minimal",
    {
      runs: ["$filt", "$hook", "awk", "chmod", "chown", "mkdir", "python3.11", "rm", "rmdir", "touch"],
      effects: rootDirectories(
        "0755",
        "/usr/local/lib/python3.11",
        "/usr/local/lib/python3.11/dist-packages",
      ),
    },
  ],
  [
    "readline-common",
    { runs: ["cp"], effects: [{ do: "copy", from: "/usr/share/readline/inputrc", to: "/etc/inputrc" }] },
  ],
  [
    "tzdata",
    {
      runs: [">", "ln", "mv"],
      effects: [
        { do: "link", path: "/etc/localtime", target: "/usr/share/zoneinfo/Etc/UTC" },
        { do: "file", path: "/etc/timezone", content: "Etc/UTC\n" },
      ],
    },
  ],
]);
