// What registries, release pages and files of logins say: read, or refused with a KelpieError, and nothing of it stays.

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { fuzz } from "@kelpie/formats";
import { type Platform, realPlatform } from "@kelpie/platform";
import { repairChecksums } from "../../../formats/src/testing/tar-blocks.ts";
import { testFuzzTargets } from "../testing/fuzz-targets.ts";
import { findCredentials } from "./oci/credentials.ts";
import { exportImage } from "./release/export-image.ts";
import { importImage } from "./release/import-image.ts";
import { configuredSources } from "./source/source.ts";
import { addImage } from "./testing/images.ts";

const scratch = mkdtempSync(join(tmpdir(), "kelpie-fuzz-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

const repository = { host: "ghcr.io", name: "org/kelpie-base" };
const read = (input: Uint8Array): Platform["files"] => ({
  ...realPlatform.files,
  readFile: () => Promise.resolve(input),
  stat: () => realPlatform.files.stat("/"),
});
const host = { ...realPlatform.host, environment: {} };
const auth = Buffer.from("me:secret").toString("base64");
const answer = Buffer.from('{"Username":"me","Secret":"secret"}');
const helperLogin = Buffer.from(JSON.stringify({ credHelpers: { "ghcr.io": "store" } }));

/** A credential helper that says `stdout`, and no other program. */
function helper(stdout: Uint8Array): Platform["processes"] {
  const run: Platform["processes"]["run"] = (program) => {
    assert.match(program, /^docker-credential-[a-z0-9_.-]+$/i);
    return Promise.resolve({ exit: { kind: "exited", code: 0 }, stdout, stderr: "" });
  };
  return { ...realPlatform.processes, run };
}

testFuzzTargets([
  [
    "registry logins",
    [
      JSON.stringify({ auths: { "ghcr.io": { auth } } }),
      JSON.stringify({
        auths: { "https://ghcr.io/v2/": { username: "me", password: "x" } },
        credsStore: "store",
      }),
      JSON.stringify({ credHelpers: { "ghcr.io": "store" } }),
    ],
    (input) => findCredentials({ files: read(input), host, processes: helper(answer) }, repository),
  ],
  [
    "credential helper",
    [answer],
    (input) => findCredentials({ files: read(helperLogin), host, processes: helper(input) }, repository),
  ],
  [
    "image sources",
    ["sources: [ghcr.io/org/kelpie-base, https://example.com/{version}, ./dist, ~/dist]\n"],
    (input) => configuredSources({ files: read(input), host }, "/home", "kelpie-base"),
  ],
]);

test("release archive: damaged, it is imported whole, or refused with a KelpieError and nothing of it stays", async () => {
  const small = (seed: string): Uint8Array => Buffer.from(`${seed} of little`);
  const image = await addImage(realPlatform, join(scratch, "from"), "amd64", {
    files: {
      "rootfs.ext4": small("rootfs"),
      vmlinuz: small("vmlinuz"),
      vmlinux: small("vmlinux"),
      initrd: small("initrd"),
    },
  });
  const { path: packed } = await exportImage({
    platform: realPlatform,
    image,
    output: join(scratch, "dist"),
  });
  const archive = readFileSync(packed);
  const [path, home] = [join(scratch, "a.tar.gz"), join(scratch, "to")];
  const { accepted, refused } = await fuzz({
    name: "release archive",
    corpus: [gunzipSync(archive), archive],
    repair: repairChecksums,
    run: async (input) => {
      writeFileSync(path, input);
      try {
        await importImage({ platform: realPlatform, home, path });
      } catch (error) {
        assert.deepEqual(readdirSync(join(home, "images")), []);
        throw error;
      } finally {
        rmSync(home, { recursive: true, force: true });
      }
    },
    runs: 300,
  });
  assert.ok(accepted > 1 && refused > 100, `${accepted} accepted, ${refused} refused`);
});
