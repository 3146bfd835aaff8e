import assert from "node:assert/strict";
import { test } from "node:test";
import { FileTree } from "@kelpie/formats";
import { followLinks, readText, TreeEditor } from "../rootfs/image-tree.ts";
import { applyEffects } from "./apply.ts";
import type { Effect } from "./effect.ts";

/** A tree as "path kind mode uid:gid [→ target]". */
function listing({ tree }: TreeEditor, ...paths: string[]): string[] {
  return paths.map((path) => {
    const at = followLinks(tree, path);
    const node = tree.get(at);
    if (node === undefined) return `${path} nothing`;
    const target = node.kind === "symlink" ? ` → ${node.target}` : "";
    return `${path} ${node.kind} ${node.mode.toString(8)} ${node.uid}:${node.gid}${target}`;
  });
}

async function applied(editor: TreeEditor, ...effects: Effect[]): Promise<TreeEditor> {
  for (const stage of ["accounts", "files", "whole"] as const)
    await applyEffects(editor, [{ package: "tool", effects }], stage);
  return editor;
}

function small(): TreeEditor {
  const editor = new TreeEditor(new FileTree(), 7);
  editor.text("usr/bin/ls", "", { mode: 0o755 });
  editor.link("bin", "usr/bin");
  editor.text("usr/share/base/passwd", "root:*:0:0:root:/root:/bin/sh\n", { mode: 0o600 });
  editor.text("usr/share/base/group", "root:*:0:\n");
  return editor;
}

const accounts: Effect[] = [
  { do: "copy", from: "/usr/share/base/passwd", to: "/etc/passwd" },
  { do: "copy", from: "/usr/share/base/group", to: "/etc/group" },
];

test("accounts are made before the files that they own, whatever the order of the effects", async () => {
  const editor = await applied(
    small(),
    { do: "directory", path: "/var/lib/web", owner: "web", group: "web", mode: "0750" },
    { do: "user", name: "web", group: "web", uid: 33 },
    { do: "group", name: "web", gid: 34 },
    ...accounts,
  );
  assert.deepEqual(listing(editor, "var/lib/web"), ["var/lib/web directory 750 33:34"]);
  assert.match((await readText(editor.tree, "/etc/passwd")) ?? "", /^root:x:0:0:.*\nweb:x:33:34:/);
});

test("a copy is a file of its own and never takes the place of what is there", async () => {
  const editor = small();
  editor.text("etc/motd", "mine");
  editor.text("usr/share/motd", "theirs");
  await applied(
    editor,
    { do: "copy", from: "/usr/share/motd", to: "/etc/motd" },
    { do: "copy", from: "/usr/share/motd", to: "/etc/motd.copy" },
  );
  assert.equal(await readText(editor.tree, "/etc/motd"), "mine");
  assert.equal(await readText(editor.tree, "/etc/motd.copy"), "theirs");
  assert.notEqual(editor.tree.get("etc/motd.copy"), editor.tree.get("usr/share/motd"));
});

test("an effect that cannot be applied is refused by its package's name", async () => {
  await assert.rejects(applied(small(), { do: "copy", from: "/nothing", to: "/x" }), {
    code: "not-found",
    message: /effects of tool's install scripts.*\/nothing/s,
  });
});

test("a link replaces another link or an empty directory only when it says so, and a file never", async () => {
  const editor = small();
  editor.text("a/file", "");
  editor.link("a/link", "old");
  editor.directory("a/empty", { mode: 0o755 });
  editor.text("a/full/x", "");
  const link = (path: string, replace?: boolean): Effect => ({
    do: "link",
    path,
    target: "new",
    ...(replace === undefined ? {} : { replace }),
  });
  await applied(editor, link("/a/file", true), link("/a/link"), link("/a/empty"), link("/a/full", true));
  assert.deepEqual(
    listing(editor, "a/file", "a/link", "a/empty", "a/full").map((line) =>
      line.split(" ").slice(0, 2).join(" "),
    ),
    ["a/file file", "a/link symlink", "a/empty directory", "a/full directory"],
  );
  await applied(editor, link("/a/link", true), link("/a/empty", true), link("/a/new"));
  assert.deepEqual(listing(editor, "a/link", "a/empty", "a/new"), [
    "a/link symlink 777 0:0 → new",
    "a/empty symlink 777 0:0 → new",
    "a/new symlink 777 0:0 → new",
  ]);
});

test("chmod changes what it names and leaves the rest", async () => {
  const editor = await applied(small(), ...accounts, { do: "chmod", path: "/bin/ls", mode: "4711" });
  assert.deepEqual(listing(editor, "usr/bin/ls"), ["usr/bin/ls file 4711 0:0"]);
});

test("login shells are listed once", async () => {
  const editor = small();
  editor.text("etc/shells", "# shells\n/bin/sh\n");
  editor.text("usr/share/shells.d/bash", "/bin/bash\n/bin/sh\n");
  await applied(
    editor,
    { do: "shell", path: "/bin/zsh" },
    { do: "shell", path: "/bin/zsh" },
    { do: "shells", directory: "/usr/share/shells.d" },
  );
  assert.equal(await readText(editor.tree, "/etc/shells"), "# shells\n/bin/sh\n/bin/zsh\n/bin/bash\n");
});

test("of the candidates for a name the one of highest priority is linked, with the slaves that it has", async () => {
  const editor = small();
  for (const name of ["gawk", "mawk"]) editor.text(`usr/bin/${name}`, "", { mode: 0o755 });
  const awk = (path: string, priority: number): Effect => ({
    do: "alternative",
    link: "/usr/bin/awk",
    name: "awk",
    path,
    priority,
    slaves: [
      { link: "/usr/bin/nawk", name: "nawk", path },
      { link: "/usr/share/man/awk.1", name: "awk.1", path: `${path}.1` },
    ],
  });
  await applied(editor, awk("/usr/bin/mawk", 5), awk("/usr/bin/gawk", 10), awk("/usr/bin/original-awk", 99));
  assert.deepEqual(
    listing(editor, "usr/bin/awk", "etc/alternatives/awk", "usr/bin/nawk", "usr/share/man/awk.1"),
    [
      "usr/bin/awk symlink 777 0:0 → /etc/alternatives/awk",
      "etc/alternatives/awk symlink 777 0:0 → /usr/bin/gawk",
      "usr/bin/nawk symlink 777 0:0 → /etc/alternatives/nawk",
      "usr/share/man/awk.1 nothing",
    ],
  );
  assert.equal(
    await readText(editor.tree, "/var/lib/dpkg/alternatives/awk"),
    `auto
/usr/bin/awk
awk.1
/usr/share/man/awk.1
nawk
/usr/bin/nawk

/usr/bin/gawk
10
/usr/bin/gawk.1
/usr/bin/gawk
/usr/bin/mawk
5
/usr/bin/mawk.1
/usr/bin/mawk

`,
  );
});

test("an alternative does not take the place of a file of a package", async () => {
  const editor = small();
  editor.text("usr/bin/vi", "mine", { mode: 0o755 });
  editor.text("usr/bin/vim", "", { mode: 0o755 });
  await applied(editor, {
    do: "alternative",
    link: "/usr/bin/vi",
    name: "vi",
    path: "/usr/bin/vim",
    priority: 1,
  });
  assert.equal(await readText(editor.tree, "/usr/bin/vi"), "mine");
});
