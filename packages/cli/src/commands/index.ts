// All commands, in the order in which help lists them.

import type { CommandEntry } from "../command.ts";

export const commands: readonly CommandEntry[] = [
  {
    path: ["images", "list"],
    summary: "List the images in the store",
    load: async () => (await import("./images-list.ts")).imagesList,
  },
];
