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
    path: ["shell"],
    summary: "Open a shell in a sandbox of its own",
    load: async () => (await import("./shell.ts")).shell,
  },
  {
    path: ["doctor"],
    summary: "Say what this machine offers sandboxes, what is missing, what that costs, and what to do",
    load: async () => (await import("./doctor.ts")).doctor,
  },
  {
    path: ["mcp"],
    summary: "Offer a model a sandbox, by the Model Context Protocol on standard input and output",
    load: async () => (await import("./mcp.ts")).mcp,
  },
  {
    path: ["completion"],
    summary: "Print a script that completes kelpie's words in your shell",
    load: async () => (await import("./completion.ts")).completion,
  },
  {
    path: ["schema"],
    summary: "Print the JSON Schema of what a command prints with --json",
    load: async () => (await import("./schema.ts")).schema,
  },
  {
    path: ["version"],
    summary: "Print Kelpie's version, as --version does",
    load: async () => (await import("./version.ts")).version,
  },
  {
    path: ["sandbox", "boot-chart"],
    summary: "Boot an image and show where the time went",
    load: async () => (await import("./sandbox-boot-chart.ts")).sandboxBootChart,
  },
  {
    path: ["sandbox", "create"],
    summary: "Make a sandbox that lives on",
    load: async () => (await import("./sandbox-create.ts")).sandboxCreate,
  },
  {
    path: ["sandbox", "list"],
    summary: "List sandboxes and what they are doing",
    load: async () => (await import("./sandbox-list.ts")).sandboxList,
  },
  {
    path: ["sandbox", "inspect"],
    summary: "Show all that is known of sandboxes",
    load: async () => (await import("./sandbox-inspect.ts")).sandboxInspect,
  },
  {
    path: ["sandbox", "exec"],
    summary: "Run a command in a sandbox",
    load: async () => (await import("./sandbox-exec.ts")).sandboxExec,
  },
  {
    path: ["sandbox", "shell"],
    summary: "Open a shell in a sandbox",
    load: async () => (await import("./sandbox-shell.ts")).sandboxShell,
  },
  {
    path: ["sandbox", "attach"],
    summary: "Attach to a process of a sandbox",
    load: async () => (await import("./sandbox-attach.ts")).sandboxAttach,
  },
  {
    path: ["sandbox", "cp"],
    summary: "Copy files into a sandbox or out of it",
    load: async () => (await import("./sandbox-cp.ts")).sandboxCp,
  },
  {
    path: ["sandbox", "logs"],
    summary: "Print a sandbox's console, or its agent's or monitor's log",
    load: async () => (await import("./sandbox-logs.ts")).sandboxLogs,
  },
  {
    path: ["sandbox", "net-log"],
    summary: "Show what a sandbox did on the network, and what was denied",
    load: async () => (await import("./sandbox-net-log.ts")).sandboxNetLog,
  },
  {
    path: ["sandbox", "sync"],
    summary: "Bring home what a sandbox has changed in directories that it has as a copy",
    load: async () => (await import("./sandbox-sync.ts")).sandboxSync,
  },
  {
    path: ["sandbox", "stats"],
    summary: "Show what sandboxes use",
    load: async () => (await import("./sandbox-stats.ts")).sandboxStats,
  },
  {
    path: ["sandbox", "pause"],
    summary: "Let sandboxes stand still",
    load: async () => (await import("./sandbox-pause.ts")).sandboxPause,
  },
  {
    path: ["sandbox", "resume"],
    summary: "Let paused sandboxes go on",
    load: async () => (await import("./sandbox-resume.ts")).sandboxResume,
  },
  {
    path: ["sandbox", "stop"],
    summary: "Have sandboxes power off",
    load: async () => (await import("./sandbox-stop.ts")).sandboxStop,
  },
  {
    path: ["sandbox", "kill"],
    summary: "End sandboxes at once",
    load: async () => (await import("./sandbox-kill.ts")).sandboxKill,
  },
  {
    path: ["sandbox", "rm"],
    summary: "Remove what is left of sandboxes",
    load: async () => (await import("./sandbox-rm.ts")).sandboxRm,
  },
  {
    path: ["sandbox", "gc"],
    summary: "Remove all sandboxes that no longer live",
    load: async () => (await import("./sandbox-gc.ts")).sandboxGc,
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
    path: ["images", "vendor"],
    summary: "Keep all that a locked build takes in a directory",
    load: async () => (await import("./images-vendor.ts")).imagesVendor,
  },
  {
    path: ["images", "rebuild"],
    summary: "Build an image once more, and compare",
    load: async () => (await import("./images-rebuild.ts")).imagesRebuild,
  },
  {
    path: ["images", "diff"],
    summary: "Show what differs between two images",
    load: async () => (await import("./images-diff.ts")).imagesDiff,
  },
  {
    path: ["images", "check"],
    summary: "Check that an image has what a VM needs, without booting it",
    load: async () => (await import("./images-check.ts")).imagesCheck,
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
  {
    path: ["images", "download"],
    summary: "Bring an image into the store from the first source that has it",
    load: async () => (await import("./images-download.ts")).imagesDownload,
  },
  {
    path: ["images", "inspect"],
    summary: "Show what an image is",
    load: async () => (await import("./images-inspect.ts")).imagesInspect,
  },
  {
    path: ["images", "sbom"],
    summary: "Show what an image is made of, as SPDX, CycloneDX or a table",
    load: async () => (await import("./images-sbom.ts")).imagesSbom,
  },
  {
    path: ["images", "verify"],
    summary: "Read images again and hold them against their digests",
    load: async () => (await import("./images-verify.ts")).imagesVerify,
  },
  {
    path: ["images", "compat"],
    summary: "Say whether what was saved on one image may be restored on another",
    load: async () => (await import("./images-compat.ts")).imagesCompat,
  },
  {
    path: ["images", "export"],
    summary: "Write an image as a release's archive",
    load: async () => (await import("./images-export.ts")).imagesExport,
  },
  {
    path: ["images", "import"],
    summary: "Add the image of a release's archive to the store",
    load: async () => (await import("./images-import.ts")).imagesImport,
  },
  {
    path: ["images", "tag"],
    summary: "Give a version a name",
    load: async () => (await import("./images-tag.ts")).imagesTag,
  },
  {
    path: ["images", "warm"],
    summary: "Make the template that sandboxes of an image are restored from",
    load: async () => (await import("./images-warm.ts")).imagesWarm,
  },
  {
    path: ["images", "remove"],
    summary: "Remove an image from the store",
    load: async () => (await import("./images-remove.ts")).imagesRemove,
  },
  {
    path: ["images", "prune"],
    summary: "Remove images by age, use, count or size, saying why",
    load: async () => (await import("./images-prune.ts")).imagesPrune,
  },
  {
    path: ["images", "repair"],
    summary: "Bring the store in order after crashes",
    load: async () => (await import("./images-repair.ts")).imagesRepair,
  },
  {
    path: ["kernel", "build"],
    summary: "Compile Kelpie's own kernel into the cache",
    load: async () => (await import("./kernel-build.ts")).kernelBuild,
  },
  {
    path: ["keys", "generate"],
    summary: "Make a key pair for signing images",
    load: async () => (await import("./keys-generate.ts")).keysGenerate,
  },
  {
    path: ["keys", "list"],
    summary: "List the keys that sign and check",
    load: async () => (await import("./keys-list.ts")).keysList,
  },
  {
    path: ["keys", "show"],
    summary: "Print a public key",
    load: async () => (await import("./keys-show.ts")).keysShow,
  },
  {
    path: ["keys", "import"],
    summary: "Take over a key from a file",
    load: async () => (await import("./keys-import.ts")).keysImport,
  },
  {
    path: ["keys", "remove"],
    summary: "Remove a key",
    load: async () => (await import("./keys-remove.ts")).keysRemove,
  },
];
