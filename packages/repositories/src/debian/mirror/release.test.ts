// Release files: what is read and what is refused.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRelease } from "./release.ts";

const digest = "0123456789abcdef".repeat(4);
const text = `Origin: Debian
Suite: oldstable
Codename: bookworm
Date: Sat, 11 Jul 2026 10:16:37 UTC
Valid-Until: Sat, 18 Jul 2026 10:16:37 UTC
Acquire-By-Hash: yes
MD5Sum:
 d41d8cd98f00b204e9800998ecf8427e 0 main/x
SHA256:
 ${digest}        7 main/binary-amd64/Packages
 ${digest.toUpperCase()} 12 main/binary-amd64/Packages.xz
`;

test("names, dates and the SHA256 of every index are read", () => {
  const release = parseRelease(text, "x");
  assert.deepEqual(
    [...release.entries],
    [
      ["main/binary-amd64/Packages", { sha256: digest, sizeBytes: 7 }],
      ["main/binary-amd64/Packages.xz", { sha256: digest, sizeBytes: 12 }],
    ],
  );
  assert.equal(release.codename, "bookworm");
  assert.equal(release.byHash, true);
  assert.equal(release.dateMs, Date.UTC(2026, 6, 11, 10, 16, 37));
  assert.equal(release.validUntilMs, Date.UTC(2026, 6, 18, 10, 16, 37));
  assert.equal(parseRelease(text.replace(/Valid-Until.*\n/, ""), "x").validUntilMs, undefined);
});

test("a release without SHA256, with a line or date that cannot be read, or with too much is refused", () => {
  const cases: readonly (readonly [text: string, code: string])[] = [
    [text.replace("SHA256:", "SHA1:"), "malformed"],
    [text.replace(/Date:.*/, "Date: tomorrow"), "malformed"],
    [text.replace(/Date:.*\n/, ""), "malformed"],
    [text.replace(digest, digest.slice(1)), "malformed"],
    [text.replace(" 7 ", " -7 "), "malformed"],
    [`${text} ${digest} 1\n`, "malformed"],
    ["", "malformed"],
    [text + ` ${digest} 1 x\n`.repeat(200_001), "limit-exceeded"],
  ];
  for (const [wrong, code] of cases)
    assert.throws(() => parseRelease(wrong, "x"), { code }, wrong.slice(0, 300));
});
