// A process that pulls one image, for tests that kill it.

import { type Architecture, realPlatform } from "@kelpie/platform";
import { pullImage } from "../artifact/pull-image.ts";
import { parseReference } from "../oci/reference.ts";

const [home = "", reference = "", architecture = ""] = process.argv.slice(2);
await pullImage({
  platform: realPlatform,
  home,
  reference: parseReference(reference),
  architecture: architecture as Architecture,
});
