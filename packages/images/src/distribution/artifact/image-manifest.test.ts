// Manifests of images, as a stranger may write them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { KelpieError, type KelpieErrorCode } from "@kelpie/platform";
import fc from "fast-check";
import { imageFileNames, type ImageMetadata } from "../../metadata/image-metadata.ts";
import { type Index, type Manifest, manifestBytes, parseIndex, parseManifest } from "../oci/manifest.ts";
import { emptyIndex, imageOf, withImage } from "./image-index.ts";
import { decodeImageManifest, encodeImageManifest, type ImagePart } from "./image-manifest.ts";

const hex = "ab".repeat(32);
const blob = { digest: `sha256:${hex}`, size: 10 } as const;
const metadata = { name: "x", version: "1", buildDate: "2026-01-15T00:00:00Z", gitSha: "a" } as ImageMetadata;

function part(file: ImagePart["file"], offset: number, sizeBytes: number): ImagePart {
  return { file, offset, sizeBytes, sha256: hex, blob };
}

const parts = [
  part("rootfs.ext4", 0, 5),
  part("rootfs.ext4", 5, 7),
  part("vmlinuz", 0, 1),
  part("initrd", 0, 2),
];

test("what is written is read again, for any cut of the files", () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 64 << 20 }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(fc.tuple(sizes, sizes, sizes, sizes), (cuts) => {
      const all = imageFileNames.flatMap((file, index) => {
        let offset = 0;
        return (cuts[index] ?? []).map((sizeBytes) => {
          const made = part(file, offset, sizeBytes);
          offset += sizeBytes;
          return made;
        });
      });
      const bytes = manifestBytes(encodeImageManifest(metadata, blob, all));
      assert.deepEqual(decodeImageManifest(parseManifest(bytes, "here"), "here"), {
        config: blob,
        parts: all,
      });
    }),
  );
});

function altered(change: (manifest: Manifest) => unknown): Manifest {
  const manifest = structuredClone(encodeImageManifest(metadata, blob, parts));
  change(manifest);
  return manifest;
}

/** Changes one annotation of the second layer. */
function annotated(key: string, value: string): Manifest {
  return altered((manifest) => {
    const annotations = manifest.layers[1]?.annotations;
    assert.ok(annotations !== undefined && key in annotations);
    annotations[key] = value;
  });
}

for (const [name, code, manifest] of [
  ["of another type", "unsupported", altered((manifest) => (manifest.artifactType = "application/x"))],
  ["of a container", "unsupported", altered((manifest) => (manifest.config.mediaType = "application/x"))],
  ["with metadata without end", "malformed", altered((manifest) => (manifest.config.size = 1e12))],
  [
    "with a layer of another type",
    "malformed",
    altered((manifest) => manifest.layers.push({ ...blob, mediaType: "x" })),
  ],
  ["with a part of another file", "malformed", annotated("org.opencontainers.image.title", "../passwd")],
  ["with a gap", "malformed", annotated("dev.kelpie.content.offset", "6")],
  ["with an overlap", "malformed", annotated("dev.kelpie.content.offset", "4")],
  ["with a negative offset", "malformed", annotated("dev.kelpie.content.offset", "-1")],
  ["with a part of nothing", "malformed", annotated("dev.kelpie.content.size", "0")],
  ["with a part too large to hold", "malformed", annotated("dev.kelpie.content.size", `${(64 << 20) + 1}`)],
  ["with another algorithm", "malformed", annotated("dev.kelpie.content.digest", `sha512:${hex}`)],
  ["with a file that comes twice", "malformed", altered(({ layers }) => layers.push(...layers.slice(0, 1)))],
] as const satisfies readonly (readonly [string, KelpieErrorCode, Manifest])[]) {
  test(`a manifest ${name} is ${code}`, () => {
    assert.throws(
      () => decodeImageManifest(parseManifest(manifestBytes(manifest), "here"), "here"),
      (error) => KelpieError.is(error) && error.code === code && error.where === "here",
    );
  });
}

test("any JSON is a manifest or malformed", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      for (const parse of [parseManifest, parseIndex]) {
        assert.throws(
          () => parse(new TextEncoder().encode(JSON.stringify(value)), "here"),
          (error) => KelpieError.is(error) && error.code === "malformed",
        );
      }
    }),
  );
});

test("an index keeps what others put into it, and replaces only the image of the same form and architecture", () => {
  const attestation = { mediaType: "application/x", ...blob, artifactType: "application/y", extra: 1 };
  let index: Index = { ...emptyIndex, manifests: [attestation] };
  for (const [form, architecture, size] of [
    ["vm", "arm64", 1],
    ["vm", "amd64", 20],
    ["container", "arm64", 2],
    ["vm", "amd64", 30],
    ["container", "amd64", 3],
  ] as const)
    index = withImage(index, { form, architecture, version: "1" }, { ...blob, size });
  const read = parseIndex(manifestBytes(index), "here");
  // Docker and its like take the first manifest for their platform.
  assert.deepEqual(
    read.manifests.map(({ platform, size }) => [platform?.architecture, size]),
    [
      ["amd64", 3],
      ["arm64", 2],
      ["amd64", 30],
      ["arm64", 1],
      [undefined, blob.size],
    ],
  );
  assert.deepEqual(read.manifests[4], attestation);
  assert.deepEqual(imageOf(read, "amd64", "here"), { ...blob, size: 30 });
});

test("the VM's image is found where a tool has dropped its type, and never taken for the container image", () => {
  const version = "1";
  const containers = withImage(emptyIndex, { form: "container", architecture: "amd64", version }, blob);
  assert.throws(() => imageOf(containers, "amd64", "here"), { code: "not-found" });
  const both = withImage(containers, { form: "vm", architecture: "amd64", version }, { ...blob, size: 5 });
  const manifests = both.manifests.map(({ artifactType: _, ...rest }) => rest);
  assert.equal(imageOf({ ...both, manifests }, "amd64", "here").size, 5);
});
