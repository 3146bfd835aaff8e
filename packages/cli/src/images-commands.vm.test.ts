// What people do with images beside running them: plan, lock, build by the lock. From real packages, through the command.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { kelpieIn, makeHome, root } from "./testing/kelpie-command.ts";

const work = join(tmpdir(), `kelpie-images-${process.pid}`);
const home = join(work, "home");
const spec = join(work, "kelpie-debian.yaml");
const lock = join(work, "kelpie-debian.lock.yaml");
const { kelpie, succeeds } = kelpieIn(home);

before(() => {
  makeHome(home);
  cpSync(join(root, "images"), work, { recursive: true });
});

after(() => rmSync(work, { recursive: true, force: true }));

test("a plan names every package, the kernel and its own digest, for people and as JSON", () => {
  const text = succeeds(["images", "plan", "--spec", spec, "--arch", "amd64"]);
  assert.match(text, /^kernel +linux-image-\S+-cloud-amd64 /m);
  assert.match(text, /^plan +sha256:[0-9a-f]{64}$/m);
  assert.match(text, /^libc6 +\S+ +\d/m);
  const plan: unknown = JSON.parse(succeeds(["images", "plan", "--spec", spec, "--arch", "amd64", "--json"]));
  assert.ok(typeof plan === "object" && plan !== null && "packages" in plan && Array.isArray(plan.packages));
  for (const each of plan.packages as { name: string; version: string }[])
    assert.ok(text.includes(each.version), each.name);
});

test("a build takes the lock beside its spec by itself, and refuses one that is not for it", () => {
  assert.equal(succeeds(["images", "lock", "--spec", spec, "--arch", "amd64"]), `${lock}\n`);
  const text = readFileSync(lock, "utf8");
  succeeds(["images", "lock", "--spec", spec, "--arch", "amd64"]);
  assert.equal(readFileSync(lock, "utf8"), text);
  // A version that no mirror has shows where the plan comes from.
  writeFileSync(lock, text.replace(/(name: bash\n.*\n(?:.*\n)*? *version: )\S+/, "$19.9-kelpie"));
  const plan = ["images", "plan", "--spec", spec, "--arch", "amd64"];
  assert.match(succeeds(plan), /^bash +9\.9-kelpie /m);
  assert.doesNotMatch(succeeds([...plan, "--unlocked"]), /9\.9-kelpie/);
  writeFileSync(lock, text);
  assert.equal(existsSync(join(home, "images")), false);
  const other = join(root, "images/python.yaml");
  const { code, stderr } = kelpie(["images", "plan", "--spec", other, "--arch", "amd64", "--locked", lock]);
  assert.equal(code, 1);
  assert.match(stderr, /kelpie images lock/);
});

test("a locked build and one from what was kept, with an empty home, give the same bytes", () => {
  const kept = `oci:${join(work, "kept")}`;
  const empty = join(work, "empty");
  const arch = ["--spec", spec, "--arch", "amd64"];
  const version = succeeds(["images", "build", ...arch]).trimEnd();
  assert.equal(succeeds(["images", "vendor", ...arch, "--output", kept]), `${kept}\n`);
  assert.equal(
    kelpieIn(empty)
      .succeeds(["images", "build", ...arch, "--vendored", kept])
      .trimEnd(),
    version,
  );
  const name = readdirSync(join(home, "images")).find((each) => each.startsWith(version)) ?? "";
  for (const file of ["rootfs.ext4", "vmlinuz", "initrd", "metadata.json"]) {
    const [one, two] = [join(home, "images", name, file), join(empty, "images", name, file)];
    assert.equal(spawnSync("cmp", [one, two], { encoding: "utf8" }).stdout, "", file);
  }
  assert.equal(existsSync(join(empty, "cache/toolchain")), false);
});

test("an image is reproduced from its spec, and what differs is told where the spec has changed", () => {
  const arch = ["--arch", "amd64"];
  const version = succeeds(["images", "build", "--spec", spec, ...arch]).trimEnd();
  const rebuild = ["images", "rebuild", "--verify", version, ...arch, "--spec"];
  assert.match(succeeds([...rebuild, spec]), /is reproduced/);
  const changed = join(work, "changed.yaml");
  writeFileSync(changed, "extends: kelpie-debian.yaml\nhostname: other\n");
  const { code, stdout } = kelpie([...rebuild, changed]);
  assert.equal(code, 1, stdout);
  assert.match(stdout, /is not reproduced[^]*rootfs\.ext4[^]*planSha256/);
  succeeds(["images", "build", "--spec", changed, ...arch, "--version", "2.0.0"]);
  const difference = kelpie(["images", "diff", version, "2.0", ...arch]);
  assert.equal(difference.code, 1);
  assert.match(difference.stdout, /~ \/etc\/hostname\n/);
  assert.equal(kelpie(["images", "diff", version, version, ...arch]).stdout, "");
});

test("an image that was built passes its check", () => {
  const version = succeeds(["images", "build", "--spec", spec, "--arch", "amd64"]).trimEnd();
  const text = succeeds(["images", "check", version, "--arch", "amd64"]);
  assert.match(text, /^ok +a driver: virtio_blk +virtio_blk in the initrd$/m);
  assert.doesNotMatch(text, /MISSING/);
});

test("an image's bill of materials is shown as a table and as the documents that the build wrote", () => {
  const arch = ["--arch", "amd64"];
  const version = succeeds(["images", "build", "--spec", spec, ...arch]).trimEnd();
  const table = succeeds(["images", "sbom", version, ...arch]);
  assert.match(table, /^package +bash +\S+ +\d+ +GPL-3\.0-or-later/m);
  assert.match(table, /^program +kelpie-guest +\S+ +1 +Apache-2\.0$/m);
  assert.match(table, /^crate +tonic +/m);
  const directory = join(
    home,
    "images",
    readdirSync(join(home, "images")).find((each) => each.startsWith(version)) ?? "",
  );
  for (const [format, file] of [
    ["spdx", "sbom.spdx.json"],
    ["cyclonedx", "sbom.cdx.json"],
    ["provenance", "provenance.intoto.json"],
  ] as const)
    assert.equal(
      succeeds(["images", "sbom", version, ...arch, "--format", format]),
      readFileSync(join(directory, file), "utf8"),
    );
  const drawing = join(work, "sizes.svg");
  const sizes = succeeds(["images", "inspect", version, ...arch, "--sizes", "--svg", drawing]);
  assert.match(sizes, /^coreutils +[\d.]+ MB +\d+ +[\d.]+ %/m);
  assert.match(readFileSync(drawing, "utf8"), /^<\?xml [^]*<title>libc6: [\d.]+ MB/);
  assert.equal(kelpie(["images", "sbom", version, ...arch, "--format", "spdy"]).code, 2);
});

test("what a spec says of services, mounts, environment and hostname holds in the VM", () => {
  const settings = join(work, "settings.yaml");
  writeFileSync(
    settings,
    `extends: kelpie-debian.yaml
name: settings
hostname: from-spec
environment: { GREETING: "hello, you" }
init:
  services:
    - name: first
      content: |
        #!/bin/sh
        echo "first $1" >> /run/order
    - name: another
      content: |
        #!/bin/sh
        echo "another $1" >> /run/order
        : > /run/done
  mounts:
    - { source: tmpfs, path: /scratch, type: tmpfs, options: [size=1m, noexec] }
`,
  );
  succeeds(["images", "build", "--spec", settings, "--arch", "amd64"]);
  const script =
    'n=0; until [ -e /run/done ] || [ $n -ge 100 ]; do n=$((n+1)); sleep 0.1; done; cat /run/order; echo "$GREETING"; hostname; grep /scratch /proc/mounts';
  const output = succeeds(["run", "--image", "settings", "--", "sh", "-c", script]);
  const [first, another, greeting, hostname, mounted = ""] = output.split("\n");
  assert.deepEqual([first, another, greeting], ["first start", "another start", "hello, you"]);
  assert.match(hostname ?? "", /^from-spec-[0-9a-f]+$/);
  assert.match(mounted, /^tmpfs \/scratch tmpfs \S*noexec\S*size=1024k/);
});
