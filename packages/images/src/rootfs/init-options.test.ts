import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { FileTree } from "@kelpie/formats";
import { realPlatform } from "@kelpie/platform";
import { lookUp, readText, TreeEditor } from "./image-tree.ts";
import { putInitOptions } from "./init-options.ts";

const { files } = realPlatform;

test("services stand where kelpie-init looks, in the spec's order and executable", async () => {
  const directory = await mkdtemp(join(tmpdir(), "kelpie-init-"));
  try {
    await writeFile(join(directory, "b.sh"), "#!/bin/sh\nexit 0\n", { mode: 0o600 });
    const editor = new TreeEditor(new FileTree(), 7);
    const services = [
      { name: "z", content: "#!/bin/sh\n" },
      { name: "a", source: join(directory, "b.sh") },
    ];
    await putInitOptions(files, editor, { init: { services, mounts: [] } });
    assert.deepEqual(editor.tree.list("etc/kelpie/init.d"), ["0010-z", "0020-a"]);
    assert.equal(await readText(editor.tree, "/etc/kelpie/init.d/0020-a"), "#!/bin/sh\nexit 0\n");
    for (const name of ["0010-z", "0020-a"])
      assert.equal(lookUp(editor.tree, `/etc/kelpie/init.d/${name}`)?.mode, 0o755);
    assert.equal(editor.stands("/etc/fstab"), false);
    const gone = [{ name: "a", source: join(directory, "none") }];
    await assert.rejects(putInitOptions(files, editor, { init: { services: gone, mounts: [] } }), {
      code: "not-found",
    });
  } finally {
    await rm(directory, { recursive: true });
  }
});

test("mounts follow what packages have put into fstab, with white space escaped, and get their directories", async () => {
  const editor = new TreeEditor(new FileTree(), 7);
  editor.text("/etc/fstab", "/dev/cdrom\t/media/cdrom\tiso9660\tnoauto,ro 0 0", { mode: 0o644 });
  const mounts = [
    { source: "tmpfs", path: "/var/my cache", type: "tmpfs", options: ["size=1m", "nosuid"] },
    { source: "LABEL=data", path: "/data", type: "ext4" },
  ];
  await putInitOptions(files, editor, { init: { services: [], mounts } });
  assert.equal(
    await readText(editor.tree, "/etc/fstab"),
    "/dev/cdrom\t/media/cdrom\tiso9660\tnoauto,ro 0 0\n" +
      "tmpfs\t/var/my\\040cache\ttmpfs\tsize=1m,nosuid\t0\t0\n" +
      "LABEL=data\t/data\text4\tdefaults\t0\t0\n",
  );
  assert.equal(lookUp(editor.tree, "/var/my cache")?.kind, "directory");
});
