import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { bytesSource, FileTree } from "@kelpie/formats";
import { TreeEditor } from "../rootfs/image-tree.ts";
import { readFile } from "node:fs/promises";
import { appletNames, linkApplets } from "./applets.ts";

const table = "\0junk\0[\0[[\0ash\0cat\0init\0ls\0zcat\0\0more\0";

function withBusybox(): TreeEditor {
  const editor = new TreeEditor(new FileTree(), 0);
  editor.tree.put("usr/bin/busybox", {
    kind: "file",
    mode: 0o755,
    uid: 0,
    gid: 0,
    mtimeSeconds: 0,
    content: bytesSource(new TextEncoder().encode(table)),
  });
  editor.link("bin", "usr/bin");
  return editor;
}

test("applets are linked where no package has a command of that name, and never as init", async () => {
  const editor = withBusybox();
  editor.text("usr/sbin/cat", "mine", { mode: 0o755 });
  await linkApplets(editor, "/bin/busybox");
  assert.deepEqual(editor.tree.list("usr/bin"), ["[", "[[", "ash", "busybox", "ls", "zcat"]);
  const node = editor.tree.get("usr/bin/ls");
  assert.equal(node?.kind === "symlink" && node.target, "/bin/busybox");
});

test("a list beside the executable says where each applet belongs", async () => {
  const editor = withBusybox();
  editor.text("etc/busybox-paths.d/busybox", "bin/ls\nsbin/init\nusr/sbin/chroot\n");
  await linkApplets(editor, "/bin/busybox");
  assert.deepEqual(editor.tree.list("usr/bin"), ["busybox", "ls"]);
  assert.deepEqual(editor.tree.list("usr/sbin"), ["chroot"]);
});

test("an executable without a table of applets is refused, and so is one that is not there", async () => {
  assert.throws(() => appletNames(new TextEncoder().encode("\0[\0[[\0"), "x"), { code: "malformed" });
  assert.throws(() => appletNames(new Uint8Array(100), "x"), { code: "malformed" });
  await assert.rejects(linkApplets(new TreeEditor(new FileTree(), 0), "/bin/busybox"), { code: "not-found" });
});

const busybox = ["/bin/busybox", "/usr/bin/busybox"].find((path) => existsSync(path));

test("the names found in a real busybox are those that it lists itself", {
  skip: busybox === undefined ? "no busybox is installed" : false,
}, async () => {
  const path = busybox ?? "";
  const listed = execFileSync(path, ["--list"], { encoding: "utf8" }).trim().split("\n");
  assert.deepEqual(appletNames(await readFile(path), path).toSorted(), listed.toSorted());
});
