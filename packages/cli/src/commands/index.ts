// All commands, in the order in which help lists them.

import type { CommandEntry } from "../command.ts";

export const commands: readonly CommandEntry[] = [
  {
    path: ["quickstart"],
    summary: "Set up what is missing, build an image, boot it and run a command in it",
    load: async () => (await import("./quickstart.ts")).quickstart,
  },
  {
    path: ["run"],
    summary: "Run a command in a sandbox of its own",
    load: async () => (await import("./run.ts")).run,
  },
  {
    path: ["images", "build"],
    summary: "Build an image from its spec into the store",
    load: async () => (await import("./images-build.ts")).imagesBuild,
  },
  {
    path: ["images", "list"],
    summary: "List the images in the store",
    load: async () => (await import("./images-list.ts")).imagesList,
  },
];
