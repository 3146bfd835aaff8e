// Owners by name.

import assert from "node:assert/strict";
import { test } from "node:test";
import { textSource } from "@kelpie/formats";
import type { AlpineArchive } from "./archive.ts";
import { withOwners } from "./owners.ts";
import { parsePackageInfo } from "./package-info.ts";

test("a name that the image knows goes before the archive's number, and hard links stay one file", () => {
  const node = {
    kind: "file",
    mode: 0o640,
    uid: 90,
    gid: 91,
    mtimeSeconds: 0,
    content: textSource("x"),
  } as const;
  const named = { node, checksum: undefined, userName: "postgres", groupName: "unknown" };
  const checksum = "Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA=";
  const info = parsePackageInfo("pkgname = a\npkgver = 1\n", { checksum, sizeBytes: 1 }, "a");
  const archive: AlpineArchive = {
    package: {
      ecosystem: "alpine",
      name: "a",
      version: "1",
      architecture: "amd64",
      location: "",
      sizeBytes: 1,
      digest: `apk-c:${checksum}`,
    },
    record: info.record,
    info,
    entries: [
      { path: "one", ...named },
      { path: "two", ...named },
      { path: "three", ...named, node: { ...node }, userName: "root", groupName: "root" },
    ],
    scripts: new Map(),
    configurationFiles: [],
    keyName: "",
  };
  const [changed] = withOwners([archive], {
    users: new Map([
      ["root", 0],
      ["postgres", 70],
    ]),
    groups: new Map([["root", 0]]),
  });
  const owners = changed?.entries.map((entry) => [entry.path, entry.node.uid, entry.node.gid]);
  assert.deepEqual(owners, [
    ["one", 70, 91],
    ["two", 70, 91],
    ["three", 0, 0],
  ]);
  assert.equal(changed?.entries[0]?.node, changed?.entries[1]?.node);
  assert.equal(archive.entries[0]?.node.uid, 90);
});
