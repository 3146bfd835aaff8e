import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { realPlatform } from "@kelpie/platform";
import { loadSpec } from "./load-spec.ts";
import { starterSpec } from "./starter.ts";

for (const distribution of ["alpine", "debian"] as const) {
  test(`the starter for ${distribution} is a complete spec, also with all that it suggests in comments`, async () => {
    const directory = await mkdtemp(join(tmpdir(), "kelpie-starter-"));
    try {
      const text = starterSpec("mine", distribution);
      const uncommented = text.replaceAll(/^# (?=overlays:|files:|users:|  )/gm, "");
      assert.notEqual(uncommented, text);
      for (const [index, each] of [text, uncommented].entries()) {
        const path = join(directory, `${index}.yaml`);
        await writeFile(path, each);
        const spec = await loadSpec(realPlatform, path, "amd64");
        assert.equal(spec.name, "mine");
        assert.equal(spec.distribution, distribution);
        assert.equal(spec.users.length, index);
      }
    } finally {
      await rm(directory, { recursive: true });
    }
  });
}
