// Whether an image keeps the boot contract (docs/boot-contract.md), told from its files without booting it.

import { createHash } from "node:crypto";
import { type Ext4Contents, readExecutable } from "@kelpie/formats";
import { describeError, type Platform } from "@kelpie/platform";
import { type InitrdContents, readInitrd } from "../diff/initrd-contents.ts";
import { openRootfs } from "../diff/root-file-system.ts";
import type { ImageMetadata } from "../metadata/image-metadata.ts";
import { lookUp, readBytes, readText } from "../rootfs/image-tree.ts";
import { imageFile, ImageStore, type StoredImage } from "../store/image-store.ts";
import type { Finding } from "./finding.ts";
import { checkKernel } from "./kernel.ts";
import { checkModules } from "./modules.ts";

const maxProgramBytes = 64 << 20;

/**
 * Looks at the kernel's form, the drivers for a VM's devices, the initrd's modules and what the root file system must hold.
 *
 * @throws KelpieError `not-found`, or `malformed` and `limit-exceeded` for files that cannot be read at all.
 */
export async function checkImage(
  platform: Platform,
  home: string,
  image: StoredImage,
  signal?: AbortSignal,
): Promise<readonly Finding[]> {
  const { files } = platform;
  const metadata = await new ImageStore(platform, home).metadata(image);
  const initrd = await readInitrd(files, imageFile(image, "initrd"), signal);
  const { finding, names } = checkModules(initrd, metadata.kernel.release);
  return [
    ...(await checkKernel(files, image, metadata, names)),
    finding,
    ...checkInitrd(initrd, metadata),
    ...(await checkRootfs(await openRootfs(files, image, signal), metadata)),
  ];
}

function checkInitrd({ files }: InitrdContents, metadata: ImageMetadata): readonly Finding[] {
  const missing = ["dev", "proc", "sys", "newroot"].filter((path) => files.get(path)?.kind !== "directory");
  if (files.get("dev/console")?.kind !== "character-device") missing.push("dev/console");
  return [
    programFinding("initrd: /init", files.get("init")?.bytes, metadata.guest.initSha256, metadata),
    {
      what: "initrd: the directories and the console",
      isMet: missing.length === 0,
      found: missing.length === 0 ? "all" : `without ${missing.join(", ")}`,
    },
  ];
}

async function checkRootfs(
  { tree, label }: Ext4Contents,
  metadata: ImageMetadata,
): Promise<readonly Finding[]> {
  const { agentSha256, initSha256 } = metadata.guest;
  const version = (await readText(tree, "/etc/kelpie-version")) ?? "none";
  const workspace = lookUp(tree, "/workspace")?.kind ?? "nothing";
  const program = (path: string): Promise<Uint8Array | undefined> => readBytes(tree, path, maxProgramBytes);
  return [
    { what: "rootfs: label kelpie-root", isMet: label === "kelpie-root", found: label },
    programFinding("rootfs: /sbin/init", await program("/sbin/init"), initSha256, metadata),
    programFinding(
      "rootfs: /usr/local/bin/kelpie-guest",
      await program("/usr/local/bin/kelpie-guest"),
      agentSha256,
      metadata,
    ),
    {
      what: "rootfs: /etc/kelpie-version",
      isMet: version === `${metadata.version}\n`,
      found: version.trimEnd(),
    },
    { what: "rootfs: /workspace", isMet: workspace === "directory", found: workspace },
  ];
}

/** A program must be the one of the metadata, for the machine, and alone. */
function programFinding(
  what: string,
  bytes: Uint8Array | undefined,
  sha256: string,
  { architecture }: Pick<ImageMetadata, "architecture">,
): Finding {
  if (bytes === undefined) return { what, isMet: false, found: "nothing" };
  if (createHash("sha256").update(bytes).digest("hex") !== sha256)
    return { what, isMet: false, found: "another program than metadata.json says" };
  try {
    const { isStatic, architecture: machine } = readExecutable(bytes, what);
    return {
      what,
      isMet: isStatic && machine === architecture,
      found: `${isStatic ? "static" : "dynamic"}, for ${machine}`,
    };
  } catch (error) {
    return { what, isMet: false, found: describeError(error) };
  }
}
