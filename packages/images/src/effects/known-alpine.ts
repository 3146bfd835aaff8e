// Alpine packages whose install scripts were read, and what of them matters to an image.

import type { KnownPackage } from "./known-package.ts";

/** By package name. Version 3.19's; a script that begins to run other commands is unknown again. */
export const knownAlpinePackages: ReadonlyMap<string, KnownPackage> = new Map<string, KnownPackage>([
  [
    "alpine-baselayout",
    {
      // The start scripts for vservers are written only where OpenRC runs in one.
      runs: ["/sbin/rc", ">", "chmod", "chown", "ln", "rc"],
      effects: [
        { do: "group", name: "shadow", gid: 42 },
        { do: "chmod", path: "/etc/shadow", owner: "root", group: "shadow", mode: "0640" },
      ],
    },
  ],
  [
    "busybox",
    {
      // depmod is for kernels in the image's own /lib/modules; an image has its modules in the initrd.
      runs: ["mkdir", "--install", "depmod", "bbsuid", "/bin/bbsuid", "busybox-extras", "busybox"],
      effects: [{ do: "applets", binary: "/bin/busybox" }],
    },
  ],
  [
    "busybox-extras",
    { runs: ["busybox-extras"], effects: [{ do: "applets", binary: "/bin/busybox-extras" }] },
  ],
  ["busybox-suid", { runs: ["bbsuid"], effects: [] }],
  ["ca-certificates", { runs: [], effects: [{ do: "ca-certificates" }] }],
]);
