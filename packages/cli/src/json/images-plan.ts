// kelpie images plan --json

import { z } from "zod";
import type { JsonOf } from "./json-of.ts";
import { architecture, count, digest, resolvedPackage, version } from "./parts.ts";

const hostFile = z.object({
  role: z.string().describe("what it is for, and where it will stand"),
  content: z.string().describe("`sha256:…`, or for a symlink `link:TARGET`"),
  executable: z.boolean(),
});

export const schema = z.object({
  formatVersion: z.literal(1),
  architecture,
  identity: z.object({ version, gitSha: z.string(), timestampSeconds: count.describe("SOURCE_DATE_EPOCH") }),
  base: z
    .object({ location: z.string(), sha512: z.string() })
    .optional()
    .describe("the spec's base tarball, where it has one"),
  packages: z.array(resolvedPackage).describe("in the order in which they are unpacked"),
  kernel: z.object({
    source: z.enum(["alpine", "debian", "kelpie", "path"]),
    package: resolvedPackage.optional().describe("the kernel's, or the source that it is compiled from"),
    files: z.array(hostFile).optional().describe("source path: files of this machine"),
    config: digest.optional().describe("source kelpie: of the kernel's options"),
    compiler: z.object({ name: z.string(), identity: digest }).optional().describe("source kelpie"),
  }),
  guest: z.object({ init: digest, agent: digest }).describe("the guest's programs"),
  hostFiles: z.array(hostFile),
  settings: z
    .looseObject({ name: z.string(), distribution: z.enum(["alpine", "debian"]) })
    .describe("the rest of the spec, in the words of images/spec.schema.json"),
});

export type ImagesPlanJson = JsonOf<typeof schema>;
