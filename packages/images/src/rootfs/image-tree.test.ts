import assert from "node:assert/strict";
import { test } from "node:test";
import { FileTree, textSource } from "@kelpie/formats";
import { commandNames, followLinks, lookUp, putAt, readText, TreeEditor } from "./image-tree.ts";

function mergedUsr(): TreeEditor {
  const editor = new TreeEditor(new FileTree(), 1000);
  editor.text("usr/sbin/tool", "tool", { mode: 0o755 });
  editor.link("sbin", "usr/sbin");
  editor.link("bin", "/usr/bin");
  editor.directory("usr/bin", { mode: 0o755 });
  editor.directory("usr/share/deep", { mode: 0o755 });
  editor.link("usr/share/deep/up", "../../..");
  return editor;
}

test("paths lead through the tree's own symlinks, absolute ones from its root", () => {
  const { tree } = mergedUsr();
  for (const [path, expected] of [
    ["/sbin/init", "usr/sbin/init"],
    ["bin/sh", "usr/bin/sh"],
    ["/usr/share/deep/up/sbin/tool", "usr/sbin/tool"],
    ["/../../etc/passwd", "etc/passwd"],
    ["/sbin/", "sbin"],
    ["", ""],
  ] as const) {
    assert.equal(followLinks(tree, path), expected, path);
  }
  assert.equal(followLinks(tree, "/sbin", "follow"), "usr/sbin");
  assert.equal(lookUp(tree, "/sbin/tool")?.kind, "file");
});

test("a file put through a symlink stands where the symlink leads, and the symlink stays", async () => {
  const editor = mergedUsr();
  editor.text("/sbin/init", "init", { mode: 0o755 });
  assert.equal(editor.tree.get("usr/sbin/init")?.kind, "file");
  assert.equal(editor.tree.get("sbin")?.kind, "symlink");
  assert.equal(await readText(editor.tree, "/sbin/init"), "init");
});

test("a directory put over a symlink to a directory changes that directory", () => {
  const editor = mergedUsr();
  putAt(editor.tree, "/sbin", { kind: "directory", mode: 0o700, uid: 1, gid: 1, mtimeSeconds: 0 });
  assert.equal(editor.tree.get("sbin")?.kind, "symlink");
  assert.equal(editor.tree.get("usr/sbin")?.mode, 0o700);
});

test("a file put over a symlink takes its place", () => {
  const editor = mergedUsr();
  editor.link("etc/motd", "/run/motd");
  editor.text("etc/motd", "hello");
  assert.equal(editor.tree.get("etc/motd")?.kind, "file");
});

test("symlinks in a circle are refused", () => {
  const editor = mergedUsr();
  editor.link("a", "b");
  editor.link("b", "a");
  assert.throws(() => followLinks(editor.tree, "/a/x"), { code: "unsafe-path" });
});

test("a text that replaces another keeps its owner and mode unless told otherwise", () => {
  const editor = mergedUsr();
  putAt(editor.tree, "etc/x", {
    kind: "file",
    mode: 0o640,
    uid: 5,
    gid: 6,
    mtimeSeconds: 0,
    content: textSource("a"),
  });
  editor.text("etc/x", "b");
  const node = editor.tree.get("etc/x");
  assert.ok(node !== undefined);
  const { mode, uid, gid, mtimeSeconds } = node;
  assert.deepEqual({ mode, uid, gid, mtimeSeconds }, { mode: 0o640, uid: 5, gid: 6, mtimeSeconds: 1000 });
});

test("commands are found in all directories of the usual PATH, merged or not", () => {
  const editor = mergedUsr();
  editor.text("bin/ls", "", { mode: 0o755 });
  assert.deepEqual([...commandNames(editor.tree)].sort(), ["ls", "tool"]);
});
