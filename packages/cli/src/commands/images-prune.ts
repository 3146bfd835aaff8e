// kelpie images prune

import {
  distinctBytes,
  formatImageVersion,
  ImageStore,
  planCachePrune,
  planPrune,
  pruneCache,
} from "@kelpie/images";
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
    "cache-older-than": {
      type: "string",
      value: "AGE",
      help: "Packages, compiled programs and beginnings of downloads that came into the cache this long ago",
    },
    yes: { type: "boolean", short: "y", help: "Remove them; without this, only say what would go" },
  },
  json: () => import("../json/images-prune.ts"),
  details:
    "Images that a sandbox uses, and tagged ones, always stay. Equal files of several images count once. The\ntemplates of an image go with it. What goes of the cache is fetched or compiled again where it is wanted.",
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
    const isOfImages = Object.values(policy).some((value) => value !== undefined);
    const cacheAgeMs = age(options["cache-older-than"]);
    if (!isOfImages && cacheAgeMs === undefined) {
      throw new KelpieError("usage", "Pruning needs a rule", {
        help: "For example: kelpie images prune --unused-for 30d --keep 2",
      });
    }
    const candidates = isOfImages ? await new ImageStore(platform, home).pruneCandidates() : [];
    const verdicts = planPrune(candidates, policy, platform.clock.nowMs());
    const going = verdicts.filter(({ kind }) => kind === "goes");
    const staying = verdicts.filter(({ kind }) => kind === "stays").map(({ candidate }) => candidate);
    const freedBytes = distinctBytes(candidates) - distinctBytes(staying);
    const cache = cacheAgeMs === undefined ? [] : await planCachePrune(platform, home, cacheAgeMs);
    if (options.yes === true) {
      for (const { candidate } of going) await removeImage(context, candidate.image);
      if (cacheAgeMs !== undefined) await pruneCache(platform, home, cache, cacheAgeMs);
    }
    const rows = verdicts.map(({ candidate: { image }, kind, reason }) => ({
      version: formatImageVersion(image.version),
      architecture: image.architecture,
      name: image.name,
      verdict: kind,
      reason,
    }));
    if (json) {
      printJson<ImagesPruneJson>(terminal, {
        images: rows,
        freedBytes,
        cache,
        removed: options.yes === true,
      });
      return 0;
    }
    const cells = rows.map((row) => [row.version, row.architecture, row.name, row.verdict, row.reason]);
    if (cells.length > 0)
      terminal.stdout.write(formatTable(["VERSION", "ARCH", "NAME", "VERDICT", "WHY"], cells));
    const said = options.yes === true ? "are gone" : "would go; --yes removes them";
    const cached = cache.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const ofCache =
      cache.length === 0 ? "" : `, ${cache.length} entries of the cache and ${formatSize(cached)}`;
    terminal.stderr.write(`${going.length} images and ${formatSize(freedBytes)}${ofCache} ${said}\n`);
    return 0;
  },
});
