// A process that makes sure of one image, for tests that start several.

import { type Architecture, realPlatform } from "@kelpie/platform";
import { ensureImage } from "../source/ensure-image.ts";

const [home = "", reference = "", architecture = ""] = process.argv.slice(2);
await ensureImage({ platform: realPlatform, home, reference, architecture: architecture as Architecture });
