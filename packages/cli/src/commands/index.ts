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
    path: ["images", "init"],
    summary: "Write a commented spec to begin with",
    load: async () => (await import("./images-init.ts")).imagesInit,
  },
  {
    path: ["images", "build"],
    summary: "Build an image from its spec into the store",
    load: async () => (await import("./images-build.ts")).imagesBuild,
  },
  {
    path: ["images", "plan"],
    summary: "Show what an image would be made of",
    load: async () => (await import("./images-plan.ts")).imagesPlan,
  },
  {
    path: ["images", "lock"],
    summary: "Write down what a spec's names come to, for later builds",
    load: async () => (await import("./images-lock.ts")).imagesLock,
  },
  {
    path: ["images", "list"],
    summary: "List the images in the store",
    load: async () => (await import("./images-list.ts")).imagesList,
  },
  {
    path: ["images", "push"],
    summary: "Push images to a registry",
    load: async () => (await import("./images-push.ts")).imagesPush,
  },
  {
    path: ["images", "pull"],
    summary: "Pull an image from a registry into the store",
    load: async () => (await import("./images-pull.ts")).imagesPull,
  },
];
