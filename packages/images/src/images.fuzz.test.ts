// Any document that reaches the image room from outside is read, or refused with a KelpieError.

import assert from "node:assert/strict";
import { elfFile } from "../../formats/src/testing/elf-files.ts";
import { decodeImageManifest, encodeImageManifest } from "./distribution/artifact/image-manifest.ts";
import { emptyIndex, imageOf, withImage } from "./distribution/artifact/image-index.ts";
import { parseChallenge } from "./distribution/oci/challenge.ts";
import { manifestBytes, parseIndex, parseManifest } from "./distribution/oci/manifest.ts";
import { formatReference, parseReference } from "./distribution/oci/reference.ts";
import { checksumsText, parseChecksums } from "./distribution/release/checksums.ts";
import { readPemCertificate, subjectHash } from "./effects/certificate.ts";
import { readSharedObject } from "./effects/shared-object.ts";
import { readShellScript } from "./effects/shell.ts";
import { type ImageMetadata, parseImageMetadata, serializeImageMetadata } from "./metadata/image-metadata.ts";
import { lockText, parseLock } from "./plan/lock.ts";
import { parseSpec } from "./spec/parse-spec.ts";
import { testFuzzTargets, text } from "./testing/fuzz-targets.ts";
import { decodeVendored, encodeVendored } from "./vendor/vendored-manifest.ts";
import { compareImageVersions, formatImageVersion, tryParseImageVersion } from "./version/image-version.ts";

const hex = "ab".repeat(32);
const blob = { digest: `sha256:${hex}`, size: 10 } as const;
const file = { sizeBytes: 1, sha256: hex };
const version = "1.2.3-20260115-a3f4d21";
const metadata: ImageMetadata = {
  schemaVersion: 1,
  name: "kelpie-base",
  version,
  architecture: "amd64",
  buildDate: "2026-01-15T00:00:00Z",
  gitSha: "a3f4d21",
  distribution: { id: "alpine", version: "3.19.4" },
  kernel: { source: "path", release: "6.6.0", packageVersion: "", format: "bzImage" },
  guest: { protocol: 1, agentSha256: hex, initSha256: hex },
  files: { "rootfs.ext4": file, vmlinuz: file, initrd: file },
  packages: [{ name: "a", version: "1", architecture: "amd64", digest: `sha256:${hex}`, license: "MIT" }],
  planSha256: hex,
};
const manifest = encodeImageManifest(metadata, blob, [
  { file: "rootfs.ext4", offset: 0, sizeBytes: 10, sha256: hex, blob },
  { file: "vmlinuz", offset: 0, sizeBytes: 10, sha256: hex, blob },
  { file: "initrd", offset: 0, sizeBytes: 10, sha256: hex, blob },
]);
const vendored = encodeVendored({ lock: blob, files: new Map([["debian/a.deb", blob]]) });
const index = withImage(
  withImage(emptyIndex, { form: "vm", architecture: "amd64", version }, blob),
  { form: "container", architecture: "amd64", version },
  blob,
);
const resolved = {
  ecosystem: "debian",
  name: "a",
  version: "1",
  architecture: "amd64",
  location: "http://x/a.deb",
  sizeBytes: 1,
  digest: `sha256:${hex}`,
} as const;
const lock = lockText({
  amd64: {
    requestSha256: hex,
    base: undefined,
    packages: [resolved],
    kernel: resolved,
    guest: { init: `sha256:${hex}`, agent: `sha256:${hex}` },
  },
});
const spec =
  "name: x\nversion: 1.0.0\ndistribution: debian\npackages: [a, b=1]\nkernel: { source: debian, package: k }\n" +
  "files:\n  /etc/motd: { text: hi, mode: '0644' }\nenvironment: { A: b }\nfree: 64MiB\n";
const script =
  '#!/bin/sh\nset -e\nif [ "$1" = configure ]; then\n  adduser --system x || true\nfi\ncase "$1" in a) ;; esac\nexit 0\n';

/** An element of DER (ITU-T X.690). */
function der(tag: number, ...parts: readonly (Uint8Array | string)[]): Buffer {
  const content = Buffer.concat(parts.map((part) => Buffer.from(part)));
  return Buffer.concat([Buffer.from([tag, content.length]), content]);
}

const subject = der(0x30, der(0x31, der(0x30, der(0x06, "\x55\x04\x03"), der(0x0c, "Test  Authority"))));
const fields = [der(0x02, "1"), der(0x30), subject, der(0x30), subject];
const certificate = der(0x30, der(0x30, der(0xa0, der(0x02, "\x02")), ...fields));
const pem = `-----BEGIN CERTIFICATE-----\n${certificate.toString("base64")}\n-----END CERTIFICATE-----\n`;
/** DT_STRTAB, DT_SONAME, DT_NULL. */
const dynamic = BigInt64Array.from([5n, 0n, 14n, 1n, 0n, 0n]);

testFuzzTargets([
  [
    "image metadata",
    [serializeImageMetadata(metadata)],
    (input) => serializeImageMetadata(parseImageMetadata(input, "x")),
  ],
  [
    "image manifest",
    [manifestBytes(manifest)],
    (input) => decodeImageManifest(parseManifest(input, "x"), "x"),
  ],
  ["vendored manifest", [manifestBytes(vendored)], (input) => decodeVendored(parseManifest(input, "x"), "x")],
  ["registry index", [manifestBytes(index)], (input) => imageOf(parseIndex(input, "x"), "amd64", "x")],
  [
    "registry reference",
    [`ghcr.io/org/kelpie-base@sha256:${hex}`, "oci://[::1]:5000/a/b__c:latest"],
    (input) => {
      const reference = parseReference(text(input));
      assert.deepEqual(parseReference(formatReference(reference)), reference);
    },
  ],
  [
    "registry challenge",
    ['Bearer realm="https://a/token",service="r",scope="repository:a:pull,push"', 'Basic realm="x"'],
    (input) => parseChallenge(text(input)),
  ],
  [
    "checksums",
    [`${hex}  kelpie-base.tar.gz\n${hex} *other\n`],
    (input) => {
      const checksums = parseChecksums(text(input), "x");
      assert.deepEqual(parseChecksums(checksumsText(checksums), "x"), checksums);
    },
  ],
  ["lock", [lock], (input) => parseLock(text(input), "x")],
  ["spec", [spec], (input) => parseSpec(text(input), "x")],
  ["maintainer script", [script], (input) => readShellScript(text(input))],
  ["certificate", [certificate], (input) => subjectHash(input, "x")],
  ["PEM certificate", [pem], (input) => readPemCertificate(text(input), "x")],
  [
    "shared object",
    [elfFile({ type: 3, machine: 62, segments: [{ type: 2, content: Buffer.from(dynamic.buffer) }] })],
    (input) => readSharedObject(input),
  ],
  [
    "image version",
    [`${version}\n1.2.3-rc.1-20260115-a3f4d21`],
    (input) => {
      const [a, b] = text(input)
        .split("\n")
        .map((line) => tryParseImageVersion(line));
      if (a === undefined || b === undefined) return;
      assert.deepEqual(tryParseImageVersion(formatImageVersion(a)), a);
      assert.equal(compareImageVersions(a, b) + compareImageVersions(b, a), 0);
    },
  ],
]);
