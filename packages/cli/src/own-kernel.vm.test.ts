// Kelpie's own kernel in real guests, in each of its forms. It is not compiled here: `kelpie kernel build --arch all` does that.

import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { bootFiles, cachedKelpieKernel, ImageStore, type StoredImage } from "@kelpie/images";
import { type Architecture, architectures, describeError, realPlatform } from "@kelpie/platform";
import { openQemu, Sandbox } from "@kelpie/sandbox";
import { makeHome, root, succeeds } from "./testing/kelpie-command.ts";

const home = join(tmpdir(), `kelpie-own-${process.pid}`);
before(() => makeHome(home));
after(() => rmSync(home, { recursive: true, force: true }));

/** Why there is no kernel to boot, or false. */
async function reasonToSkip(architecture: Architecture): Promise<string | false> {
  const { environment, homeDirectory } = realPlatform.host;
  try {
    const kernel = await cachedKelpieKernel({
      platform: realPlatform,
      home: environment["KELPIE_HOME"] ?? join(homeDirectory, ".kelpie"),
      architecture,
      configDirectory: join(root, "images/kernel"),
    });
    return kernel === undefined ? "this kernel has not been compiled: kelpie kernel build --arch all" : false;
  } catch (error) {
    return describeError(error);
  }
}

const script = `uname -r
cat /sys/fs/cgroup/cgroup.controllers
zcat /proc/config.gz | grep -c '=m$'
tr '\\n\\t' '  ' < /proc/filesystems
echo; cat /proc/sys/kernel/random/boot_id | wc -c
unshare --user --map-root-user --net --pid --fork id -u
`;

for (const architecture of architectures) {
  const skip = await reasonToSkip(architecture);
  suite(`an image with Kelpie's own kernel for ${architecture}`, { skip }, () => {
    let image: StoredImage;
    before(async () => {
      succeeds(home, ["images", "build", "--spec", "images/debian-own-kernel.yaml", "--arch", architecture]);
      const { images } = await new ImageStore(realPlatform, home).list();
      const found = images.find((each) => each.architecture === architecture);
      assert.ok(found);
      image = found;
    });

    test("keeps the boot contract by its own account", () => {
      // It succeeds only where every point is kept.
      const text = succeeds(home, ["images", "check", "latest", "--arch", architecture]);
      assert.match(text, /^ok +a driver: virtio_blk +virtio_blk in the kernel, by CONFIG_VIRTIO_BLK$/m);
    });

    for (const [what, file, withoutInitrd] of [
      ["in its best form, which mounts the root by itself", undefined, true],
      ["in the form that every image has, with its initrd", "vmlinuz", false],
    ] as const) {
      test(`boots ${what}`, async () => {
        const { signal } = new AbortController();
        const best = bootFiles(image);
        assert.equal(best.withoutInitrd, true);
        const { digests: _digests, ...files } = best;
        const kernel = file === undefined ? best.kernel : join(image.directory, file);
        const vmm = await openQemu(realPlatform, { architecture, home, signal });
        await using sandbox = await Sandbox.create({
          platform: realPlatform,
          home,
          vmm,
          start: "cold",
          image: { ...files, kernel, withoutInitrd },
        });
        const { stdout, stderr } = await sandbox.exec({ argv: ["sh", "-c", script] }).collect();
        const [release, controllers = "", modules, fileSystems = "", , user] = Buffer.from(stdout)
          .toString()
          .split("\n");
        assert.equal(release, image.kernelRelease, Buffer.from(stderr).toString());
        for (const name of ["memory", "pids", "cpu"]) assert.ok(controllers.split(" ").includes(name), name);
        assert.equal(modules, "0");
        for (const name of ["ext4", "overlay", "virtiofs", "9p", "fuse", "tmpfs", "erofs"])
          assert.ok(fileSystems.split(" ").includes(name), name);
        assert.equal(user, "0");
      });
    }
  });
}
