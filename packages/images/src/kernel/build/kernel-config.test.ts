import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { KelpieError, realPlatform } from "@kelpie/platform";
import { optionText, parseKernelConfig, unmetOptions } from "./kernel-config.ts";
import { readKernelRecipe } from "./kernel-recipe.ts";

test("options are read with their values, comments are not, and of two lines the last counts", () => {
  const text = '# A comment.\nCONFIG_A=y\n\nCONFIG_B="x y"\n# CONFIG_C is not set\nCONFIG_A=64\n';
  assert.deepEqual(
    [...parseKernelConfig(text, "here")],
    [
      ["A", "64"],
      ["B", '"x y"'],
      ["C", "n"],
    ],
  );
});

for (const line of ["CONFIG_A", "A=y", "CONFIG_A =y", "CONFIG_A=", "CONFIG_a-b=y"]) {
  test(`the line ${JSON.stringify(line)} is refused with its number`, () => {
    assert.throws(
      () => parseKernelConfig(`CONFIG_X=y\n${line}\n`, "my.config"),
      (error) => KelpieError.is(error) && error.code === "malformed" && error.where === "my.config:2",
    );
  });
}

test("whatever options are written are read again", () => {
  const name = fc.stringMatching(/^[A-Z0-9_]{1,20}$/);
  const value = fc.oneof(fc.constantFrom("y", "m", "n"), fc.nat().map(String), fc.constant('"text"'));
  fc.assert(
    fc.property(fc.dictionary(name, value), (options) => {
      const text = Object.entries(options).map(([key, each]) => optionText(key, each));
      assert.deepEqual(Object.fromEntries(parseKernelConfig(text.join("\n"), "")), { ...options });
    }),
  );
});

test("an option that is missing counts as not set", () => {
  const wanted = parseKernelConfig(
    "CONFIG_A=y\n# CONFIG_B is not set\n# CONFIG_C is not set\nCONFIG_D=4\n",
    "",
  );
  const found = parseKernelConfig("CONFIG_C=y\nCONFIG_D=5\n", "");
  assert.deepEqual(unmetOptions(wanted, found), [
    { name: "A", wanted: "y", found: "n" },
    { name: "C", wanted: "n", found: "y" },
    { name: "D", wanted: "4", found: "5" },
  ]);
});

test("a recipe's digest is of what it says, not of how, and a person's own file has the last word", async () => {
  await using directory = await realPlatform.files.temporaryDirectory("kelpie-recipe-");
  const place = (name: string): string => join(directory.path, name);
  writeFileSync(place("common.config"), "CONFIG_B=y\nCONFIG_A=y\n");
  writeFileSync(place("arm64.config"), "# CONFIG_C is not set\n");
  writeFileSync(place("own.config"), "CONFIG_A=n\n");
  const read = (...further: string[]): ReturnType<typeof readKernelRecipe> =>
    readKernelRecipe(realPlatform.files, directory.path, "arm64", further);
  const before = await read();
  assert.equal(before.text, "CONFIG_A=y\nCONFIG_B=y\n# CONFIG_C is not set\n");
  assert.equal(
    (await read(place("own.config"))).text,
    "# CONFIG_A is not set\nCONFIG_B=y\n# CONFIG_C is not set\n",
  );
  writeFileSync(place("common.config"), "# In another order.\nCONFIG_A=y\nCONFIG_B=y\n");
  assert.equal((await read()).digest, before.digest);
  await assert.rejects(
    read(place("none.config")),
    (error) => KelpieError.is(error) && error.code === "not-found",
  );
});

for (const architecture of ["amd64", "arm64"] as const) {
  test(`Kelpie's own options for ${architecture} are read, each said once`, async () => {
    const directory = join(import.meta.dirname, "../../../../../images/kernel");
    const { options } = await readKernelRecipe(realPlatform.files, directory, architecture);
    assert.equal(options.get("VIRTIO_BLK"), "y");
    const texts = await Promise.all(
      ["common.config", `${architecture}.config`].map(async (name) =>
        new TextDecoder().decode(await realPlatform.files.readFile(join(directory, name), 1 << 20)),
      ),
    );
    const lines = texts
      .join("\n")
      .split("\n")
      .filter((line) => /^(?:CONFIG_|# CONFIG_\w+ is not set)/.test(line));
    assert.equal(lines.length, options.size);
  });
}
