// kelpie images prune

import { distinctBytes, formatImageVersion, ImageStore, planPrune } from "@kelpie/images";
import { KelpieError } from "@kelpie/platform";
import { command } from "../command.ts";
import type { ImagesPruneJson } from "../json/images-prune.ts";
import { printJson } from "../output/json.ts";
import { formatSize } from "../output/size.ts";
import { formatTable } from "../output/table.ts";
import { parseBytes, parseCount, parseDays } from "../quantity.ts";
import { removeImage } from "../remove-image.ts";

const dayMs = 86_400_000;

export const imagesPrune = command({
  options: {
    "older-than": { type: "string", value: "AGE", help: "Images that came this long ago: 30d, 12h, 2w" },
    "unused-for": { type: "string", value: "AGE", help: "Images that were not used for this long" },
    keep: { type: "string", value: "N", help: "The newest N of each name and architecture stay" },
    "max-size": {
      type: "string",
      value: "SIZE",
      help: "All but what fits, the least recently used first: 20G",
    },
    yes: { type: "boolean", short: "y", help: "Remove them; without this, only say what would go" },
  },
  json: () => import("../json/images-prune.ts"),
  details:
    "Images that a sandbox uses, and tagged ones, always stay. Equal files of several images count once. The\ntemplates of an image go with it.",
  async run(context, { options, json }) {
    const { platform, terminal, home } = context;
    const age = (text: string | undefined): number | undefined =>
      text === undefined ? undefined : dayMs * parseDays(text);
    const policy = {
      olderThanMs: age(options["older-than"]),
      unusedForMs: age(options["unused-for"]),
      keep: options.keep === undefined ? undefined : parseCount(options.keep, "images"),
      maxBytes: options["max-size"] === undefined ? undefined : parseBytes(options["max-size"]),
    };
    if (Object.values(policy).every((value) => value === undefined)) {
      throw new KelpieError("usage", "Pruning needs a rule", {
        help: "For example: kelpie images prune --unused-for 30d --keep 2",
      });
    }
    const candidates = await new ImageStore(platform, home).pruneCandidates();
    const verdicts = planPrune(candidates, policy, platform.clock.nowMs());
    const going = verdicts.filter(({ kind }) => kind === "goes");
    const staying = verdicts.filter(({ kind }) => kind === "stays").map(({ candidate }) => candidate);
    const freedBytes = distinctBytes(candidates) - distinctBytes(staying);
    if (options.yes === true) for (const { candidate } of going) await removeImage(context, candidate.image);
    const rows = verdicts.map(({ candidate: { image }, kind, reason }) => ({
      version: formatImageVersion(image.version),
      architecture: image.architecture,
      name: image.name,
      verdict: kind,
      reason,
    }));
    if (json) {
      printJson<ImagesPruneJson>(terminal, { images: rows, freedBytes, removed: options.yes === true });
      return 0;
    }
    const cells = rows.map((row) => [row.version, row.architecture, row.name, row.verdict, row.reason]);
    if (cells.length > 0)
      terminal.stdout.write(formatTable(["VERSION", "ARCH", "NAME", "VERDICT", "WHY"], cells));
    const said = options.yes === true ? "are gone" : "would go; --yes removes them";
    terminal.stderr.write(`${going.length} images and ${formatSize(freedBytes)} ${said}\n`);
    return 0;
  },
});
