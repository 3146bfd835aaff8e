// metadata.json: what an image says of itself. It is read from disks and networks, so every field is checked.

import { z } from "zod";
import { parseJsonAs } from "../json/parse-json-as.ts";
import { vmmNames } from "../kernel/vmms.ts";
import { tryParseImageVersion } from "../version/image-version.ts";

/** Names that an image's files can have, in the order in which people list them. Only `vmlinux` may be missing. */
export const imageFileNames = ["rootfs.ext4", "vmlinuz", "vmlinux", "initrd"] as const;
export type ImageFileName = (typeof imageFileNames)[number];
/** Of those, the kernel in its forms. */
export const kernelFileNames = ["vmlinuz", "vmlinux"] as const;
export type KernelFileName = (typeof kernelFileNames)[number];

/** Names of what stands beside an image and is no part of a boot, in the order in which it is written. */
export const attachmentNames = ["sbom.spdx.json", "sbom.cdx.json", "provenance.intoto.json"] as const;
export type AttachmentName = (typeof attachmentNames)[number];

/** Whatever stands in an image's directory, metadata.json apart. */
export type StoredFileName = ImageFileName | AttachmentName;

export function isAttachmentName(name: string): name is AttachmentName {
  return attachmentNames.some((each) => each === name);
}

/** Largest metadata.json that is read. */
export const maxMetadataBytes = 8 << 20;

const text = z.string().max(4096);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const byteCount = z.number().int().nonnegative();

const imageFile = z.strictObject({ sizeBytes: byteCount, sha256 });
const kernelFormat = z.enum(["bzImage", "Image", "vmlinux"]);

const packageEntry = z.strictObject({
  name: text,
  version: text,
  architecture: text,
  /** As the verified index states it, with its algorithm in front. */
  digest: text,
  license: text.optional(),
  source: text.optional(),
});

/** What metadata.json must be. */
export const imageMetadataSchema = z.strictObject({
  schemaVersion: z.literal(1),
  name: text,
  version: text.refine((value) => tryParseImageVersion(value) !== undefined, "not the version of an image"),
  architecture: z.enum(["amd64", "arm64"]),
  /** RFC 3339, derived from SOURCE_DATE_EPOCH, never from a clock. */
  buildDate: z.iso.datetime(),
  gitSha: text,
  distribution: z.strictObject({ id: text, version: text }),
  /** The host name that the spec gives; absent in images of earlier builders. */
  hostname: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,62}$/i)
    .optional(),
  kernel: z.strictObject({
    /** Which distribution or path it comes from; "kelpie" for Kelpie's own. */
    source: text,
    /** What `uname -r` prints. */
    release: text,
    /** The version of its package, or of the source that it was compiled from. */
    packageVersion: text,
    /** Of `vmlinuz`. */
    format: kernelFormat,
    /** Every form of the kernel that the image has, by its magic numbers. Images of before have `vmlinuz` alone. */
    images: z
      .array(
        z.strictObject({
          file: z.enum(kernelFileNames),
          format: kernelFormat,
          /** Virtual machine monitors that take this form. */
          vmms: z.array(z.enum(vmmNames)).max(16),
        }),
      )
      .min(1)
      .max(2)
      .optional(),
    /** Whether it has all that it takes to mount the root file system without an initrd (docs/boot-contract.md). */
    mountsRoot: z.literal(true).optional(),
    /** What a kernel that was compiled for Kelpie was made from. */
    build: z
      .strictObject({
        /** "sha256:…" of the source's package. */
        source: text,
        /** "sha256:…" of the options. */
        config: text,
        compiler: text,
      })
      .optional(),
  }),
  guest: z.strictObject({
    /** Of kelpie-guest's API. */
    protocol: z.number().int().positive(),
    agentSha256: sha256,
    initSha256: sha256,
  }),
  files: z.strictObject({
    "rootfs.ext4": imageFile,
    vmlinuz: imageFile,
    vmlinux: imageFile.optional(),
    initrd: imageFile,
  }),
  /** Absent in images of earlier builders. */
  attachments: z
    .strictObject({
      "sbom.spdx.json": imageFile.optional(),
      "sbom.cdx.json": imageFile.optional(),
      "provenance.intoto.json": imageFile.optional(),
    })
    .optional(),
  packages: z.array(packageEntry).max(100_000),
  /** Digest of the plan that this image was built from. */
  planSha256: sha256,
});

export type ImageMetadata = z.infer<typeof imageMetadataSchema>;

/** One of an image's files, with what it must hold. */
export interface ImageFile {
  readonly name: ImageFileName;
  readonly sizeBytes: number;
  /** In hexadecimal. */
  readonly sha256: string;
}

/** The files that an image has, in the order of {@link imageFileNames}. */
export function imageFiles({ files }: Pick<ImageMetadata, "files">): readonly ImageFile[] {
  return imageFileNames.flatMap((name) => {
    const file = files[name];
    return file === undefined ? [] : [{ name, ...file }];
  });
}

/** What the metadata says of a file; undefined for one that the image does not have. */
export function describedFile(
  { files, attachments }: Pick<ImageMetadata, "files" | "attachments">,
  name: StoredFileName,
): { readonly sizeBytes: number; readonly sha256: string } | undefined {
  return isAttachmentName(name) ? attachments?.[name] : files[name];
}

/**
 * Reads metadata.json.
 *
 * @param where a path or URL for messages.
 * @throws KelpieError `malformed` naming the field.
 */
export function parseImageMetadata(bytes: Uint8Array, where: string): ImageMetadata {
  return parseJsonAs(imageMetadataSchema, bytes, "Image metadata is not as expected", where);
}

/** The bytes of metadata.json: keys in the schema's order, two spaces, a newline at the end. */
export function serializeImageMetadata(metadata: ImageMetadata): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(imageMetadataSchema.parse(metadata), undefined, 2)}\n`);
}
