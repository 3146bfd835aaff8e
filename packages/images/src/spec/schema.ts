// The form of a spec file. What a person may write, and nothing else; every bound is stated here.

import { z } from "zod";
import { effectSchema, octalMode } from "../effects/effect.ts";

const text = z.string().min(1).max(4096);
const accountName = z
  .string()
  .regex(/^[a-z_][a-z0-9_.-]{0,31}$/, "expected a name of lower-case letters, digits, _, . and -");
const id = z.number().int().min(0).max(4_294_967_294);
const imagePath = z
  .string()
  .max(4095)
  .regex(/^\/(?!.*(?:^|\/)\.\.(?:\/|$))[^\0]+$/, 'expected an absolute path in the image, without ".."');
const packageName = z.string().min(1).max(300);

/** Bytes as people write them: 512MiB, 1GiB, 800MB, or a plain number. */
const byteSize = z
  .union([z.string(), z.number().int().positive()])
  .refine((value) => parseByteSize(value) !== undefined, "expected a size such as 512MiB or 2GiB");

const units: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KIB: 1024,
  MIB: 1024 ** 2,
  GIB: 1024 ** 3,
  TIB: 1024 ** 4,
};

/** The number of bytes that a size names, or undefined where it is not one. */
export function parseByteSize(value: string | number): number | undefined {
  if (typeof value === "number") return value;
  const match = /^(\d{1,15})\s*([KMGT]?i?B)?$/i.exec(value.trim());
  const unit = units[(match?.[2] ?? "B").toUpperCase()];
  const bytes = match === null || unit === undefined ? Number.NaN : Number(match[1]) * unit;
  return Number.isSafeInteger(bytes) && bytes > 0 ? bytes : undefined;
}

/** One value for both architectures, or one for each. */
function perArchitecture<T extends z.ZodType>(value: T) {
  return z.union([value, z.strictObject({ amd64: value, arm64: value })]);
}

const baseTarball = z.strictObject({
  /** A path relative to the spec, or an http(s) URL. */
  tarball: text,
  sha512: z.string().regex(/^[0-9a-f]{128}$/, "expected 128 lower-case hexadecimal digits"),
});

const repositories = z.strictObject({
  alpine: z
    .array(
      z.strictObject({
        url: z.url({ protocol: /^https?$/ }),
        /** As in `@tag` of a package name: the repository serves only those. */
        tag: z
          .string()
          .regex(/^[a-z0-9_-]+$/)
          .optional(),
      }),
    )
    .min(1)
    .max(50)
    .optional(),
  debian: z
    .strictObject({
      /** The release's code name. */
      release: z.string().regex(/^[a-z]+$/, "expected a release's code name, such as bookworm"),
      /** Default: the release, its updates and its security updates. */
      suites: z.array(text).min(1).max(20).optional(),
      components: z.array(text).min(1).max(20).optional(),
      /** Default: the host's own where it is a Debian, KELPIE_DEBIAN_MIRROR elsewhere. */
      mirror: z.url({ protocol: /^https?$/ }).optional(),
    })
    .optional(),
});

const kernel = z.discriminatedUnion("source", [
  z.strictObject({ source: z.literal("alpine"), package: perArchitecture(packageName).optional() }),
  z.strictObject({ source: z.literal("debian"), package: perArchitecture(packageName).optional() }),
  /** Kelpie's own, compiled from Debian's source of Linux. */
  z.strictObject({
    source: z.literal("kelpie"),
    /** Files of options, relative to the spec, on top of Kelpie's. */
    config: z.array(text).max(20).optional(),
  }),
  z.strictObject({
    source: z.literal("path"),
    /** A bzImage, an arm64 Image or an EFI zboot image. */
    image: perArchitecture(text),
    /** The directory that the kernel's build made for it: named by its release, with `modules.builtin` and any modules. */
    modules: perArchitecture(text),
  }),
]);

const owned = { mode: octalMode.optional(), owner: accountName.optional(), group: accountName.optional() };

const file = z.union([
  z.strictObject({ content: z.string().max(1 << 20), ...owned }),
  /** A path relative to the spec. */
  z.strictObject({ source: text, ...owned }),
  z.strictObject({ link: text }),
  z.strictObject({ directory: z.literal(true), ...owned }),
  z.strictObject({ remove: z.literal(true) }),
]);

const user = z.strictObject({
  name: accountName,
  uid: id,
  /** The primary group's name; default: a group of the user's own name and number. */
  group: accountName.optional(),
  /** Further groups. */
  groups: z.array(accountName).max(100).optional(),
  home: imagePath.optional(),
  shell: imagePath.optional(),
  comment: z
    .string()
    .max(200)
    .regex(/^[^:\n]*$/)
    .optional(),
});

const group = z.strictObject({
  name: accountName,
  gid: id,
  members: z.array(accountName).max(1000).optional(),
});

const serviceName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, "expected a name of letters, digits, ., _ and -");

const service = z.union([
  z.strictObject({
    name: serviceName,
    /** A script; it is run as `SCRIPT start` when the VM boots, before the next one. */
    content: z
      .string()
      .max(1 << 20)
      .regex(/^#!\/./, 'expected a script whose first line names its interpreter: "#!/bin/sh"'),
  }),
  /** A path relative to the spec. */
  z.strictObject({ name: serviceName, source: text }),
]);

const mount = z.strictObject({
  /** A device, `LABEL=…`, or the name of a file system that has no device. */
  source: z
    .string()
    .max(4096)
    .regex(
      /^(?:\/dev\/|LABEL=)?[^\0\n/][^\0\n]*$/,
      'expected a device ("/dev/vdb"), "LABEL=…" or a word ("tmpfs")',
    ),
  path: imagePath,
  /** As in /proc/filesystems of the guest. */
  type: z.string().regex(/^[a-z0-9._-]{1,64}$/, 'expected the name of a file system: "ext4"'),
  options: z
    .array(z.string().regex(/^[^,\s\0]{1,1000}$/, "expected one option, without commas and spaces"))
    .min(1)
    .max(100)
    .optional(),
});

/** A spec as it stands in a file. What one `extends` may be left out. */
export const specSchema = z
  .strictObject({
    $schema: z.string().optional(),
    /** Another spec, relative to this one, whose values this one adds to and overrides. */
    extends: text.optional(),
    name: z
      .string()
      .regex(/^[a-z0-9][a-z0-9._-]{0,127}$/, "expected lower-case letters, digits, ., _ and -")
      .optional(),
    description: z.string().max(1000).optional(),
    /** The version that a build takes when it is given none. */
    version: text.optional(),
    /** Whose packages the userland is made of. */
    distribution: z.enum(["alpine", "debian"]).optional(),
    /** An official root file system to start from, instead of packages or under them. */
    base: perArchitecture(baseTarball).optional(),
    repositories: repositories.optional(),
    /** Directories or files of the keys that sign the repositories, relative to the spec. */
    keys: z
      .strictObject({ alpine: z.array(text).max(100).optional(), debian: z.array(text).max(100).optional() })
      .optional(),
    packages: z.array(packageName).max(10_000).optional(),
    /** Packages that count as installed and are not: what asks for them goes without. */
    assume: z.array(packageName).max(1000).optional(),
    kernel: kernel.optional(),
    files: z.record(imagePath, file).optional(),
    /** Directories, relative to the spec, whose content is laid over the packages'. */
    overlays: z.array(text).max(100).optional(),
    users: z.array(user).max(1000).optional(),
    groups: z.array(group).max(1000).optional(),
    environment: z
      .record(
        z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/),
        z
          .string()
          .max(32_768)
          .regex(/^[^\0\n]*$/),
      )
      .optional(),
    hostname: z
      .string()
      .regex(/^[a-z0-9]([a-z0-9-]{0,62})$/i)
      .optional(),
    /** What kelpie-init does beside starting the agent. */
    init: z
      .strictObject({
        /** Run one after the other, in this order. */
        services: z.array(service).max(100).optional(),
        /** Lines of /etc/fstab. */
        mounts: z.array(mount).max(100).optional(),
      })
      .optional(),
    /** Of the root file system; default: what fits the content and `free`. */
    size: byteSize.optional(),
    /** Room left in the root file system. */
    free: byteSize.optional(),
    /** Size of the root file system's journal, 4MiB to 1GiB; default: none, since a sandbox's disk is thrown away or copied. */
    journal: byteSize.optional(),
    /** For packages whose install scripts Kelpie does not know: what they would do, or `skip` where nothing of it matters. */
    scripts: z.record(packageName, z.union([z.literal("skip"), z.array(effectSchema).max(1000)])).optional(),
  })
  .describe("What a Kelpie image is made of");

/** A validated spec file, before what it extends. */
export type SpecFile = z.infer<typeof specSchema>;
export type PerArchitecture<T> = T | { amd64: T; arm64: T };
export type KernelSpec = NonNullable<SpecFile["kernel"]>;
export type FileSpec = z.infer<typeof file>;
export type ServiceSpec = z.infer<typeof service>;
export type MountSpec = z.infer<typeof mount>;
export type UserSpec = z.infer<typeof user>;
export type GroupSpec = z.infer<typeof group>;
export type BaseTarball = z.infer<typeof baseTarball>;
