// kelpie images diff --json

import { z } from "zod";
import type { JsonOf } from "./json-of.ts";
import { changes } from "./parts.ts";

export const schema = z.object({
  metadata: changes.describe("fields of metadata.json"),
  packages: changes.describe("by name, with their versions"),
  components: changes.describe("licences of packages, and crates of Kelpie's programs"),
  files: changes.describe("entries of the root file system: type, mode, owner and content"),
  modules: changes.describe("kernel modules of the initrd"),
  sizes: changes.describe("of the image's files"),
});

export type ImagesDiffJson = JsonOf<typeof schema>;
