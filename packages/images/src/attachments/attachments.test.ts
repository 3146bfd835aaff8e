// Bills of materials and provenance of a whole build, judged by the schemas and readers of those who define the formats.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { Spec, Validation } from "@cyclonedx/cyclonedx-library";
import { realPlatform } from "@kelpie/platform";
import { createTestKey } from "../../../repositories/src/alpine/testing/packages.ts";
import { startMirror } from "../../../repositories/src/testing/mirror.ts";
import { Ajv } from "ajv";
import { PackageURL } from "packageurl-js";
import { z } from "zod";
import { type BuildOptions, buildImage } from "../build/build-image.ts";
import { optionsFor, publish } from "../build/testing/small-alpine.ts";
import { smallWorld } from "../build/testing/small-world.ts";
import { openRootfs } from "../diff/root-file-system.ts";
import { exportImage } from "../distribution/release/export-image.ts";
import { importImage } from "../distribution/release/import-image.ts";
import { verifyImage } from "../distribution/verify-image.ts";
import { spdxComplaints, spdxJsonSchema, withoutPythonJudges } from "../sbom/testing/python-judges.ts";
import { ImageStore, type StoredImage } from "../store/image-store.ts";
import { attachments } from "./attachments.ts";

const checksum = z.object({ algorithm: z.string(), checksumValue: z.string() });
const spdxSchema = z.object({
  documentNamespace: z.string(),
  creationInfo: z.object({ created: z.string() }),
  packages: z.array(
    z.object({
      SPDXID: z.string(),
      name: z.string(),
      licenseDeclared: z.string(),
      downloadLocation: z.string(),
      checksums: z.array(checksum).optional(),
      externalRefs: z.array(z.object({ referenceLocator: z.string() })).optional(),
    }),
  ),
  files: z.array(z.object({ SPDXID: z.string(), fileName: z.string(), checksums: z.array(checksum) })),
  relationships: z.array(
    z.object({ spdxElementId: z.string(), relationshipType: z.string(), relatedSpdxElement: z.string() }),
  ),
});
const cycloneSchema = z.object({
  components: z.array(z.object({ "bom-ref": z.string() })),
  dependencies: z.array(z.object({ ref: z.string(), dependsOn: z.array(z.string()) })),
});
const statementSchema = z.object({
  _type: z.literal("https://in-toto.io/Statement/v1"),
  predicateType: z.literal("https://slsa.dev/provenance/v1"),
  subject: z.array(z.object({ name: z.string(), digest: z.object({ sha256: z.string() }) })),
  predicate: z.object({
    buildDefinition: z.object({
      buildType: z.url(),
      resolvedDependencies: z.array(
        z.object({
          name: z.string(),
          uri: z.string().optional(),
          downloadLocation: z.string().optional(),
          digest: z.record(z.string(), z.string()),
        }),
      ),
    }),
    runDetails: z.object({
      builder: z.object({ id: z.url() }),
      metadata: z.object({ startedOn: z.iso.datetime(), finishedOn: z.iso.datetime() }),
    }),
  }),
});

interface Built {
  readonly image: StoredImage;
  readonly options: BuildOptions;
  readonly text: (name: string) => Promise<string>;
}

const held = new AsyncDisposableStack();
let built: Built | undefined;

/** An image of packages: their licences and owners are those that the packages state. Built once for all tests. */
before(async () => {
  const world = held.use(await smallWorld());
  const mirror = held.use(await startMirror());
  const key = createTestKey();
  await publish(mirror, key, "1.0-r0");
  const options = await optionsFor(world, mirror, key);
  const { image } = await buildImage(options);
  built = { image, options, text: (name) => readFile(join(image.directory, name), "utf8") };
});

after(() => held.disposeAsync());

async function withImage(use: (built: Built) => Promise<void>): Promise<void> {
  assert.ok(built !== undefined);
  await use(built);
}

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

test("the CycloneDX document is valid by its own schema", async () => {
  await withImage(async ({ text }) => {
    const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot6);
    const document = await text("sbom.cdx.json");
    const { components, dependencies } = cycloneSchema.parse(JSON.parse(document));
    const refs = ["image", ...components.map((each) => each["bom-ref"])];
    assert.equal(new Set(refs).size, refs.length);
    for (const { ref, dependsOn } of dependencies)
      for (const each of [ref, ...dependsOn]) assert.ok(refs.includes(each), each);
    assert.equal(await validator.validate(document), null);
    // The judge itself is awake.
    assert.notEqual(await validator.validate(document.replace('"operating-system"', '"nothing"')), null);
  });
});

test("the SPDX document is valid by SPDX's own library", { skip: withoutPythonJudges() }, async () => {
  await withImage(async ({ text, options }) => {
    const path = join(options.home, "judged.spdx.json");
    const complaints = async (document: string): Promise<readonly string[]> => {
      await writeFile(path, document);
      return spdxComplaints(path);
    };
    // The library takes no URL with a port for one.
    const mirror = options.spec.repositories.alpine[0]?.url ?? "";
    const document = (await text("sbom.spdx.json")).replaceAll(mirror, "https://mirror.example.org/main");
    assert.deepEqual(await complaints(document), []);
    // The judge itself is awake.
    const spoilt = document.replace(
      /"packageVerificationCodeValue":"[0-9a-f]/,
      '"packageVerificationCodeValue":"',
    );
    assert.match((await complaints(spoilt)).join(), /verification/);
  });
});

test("the SPDX document is valid by the JSON Schema of SPDX 2.3", {
  skip: withoutPythonJudges(),
}, async () => {
  await withImage(async ({ text }) => {
    const schema = z
      .record(z.string(), z.unknown())
      .parse(JSON.parse(await readFile(spdxJsonSchema(), "utf8")));
    const validate = new Ajv({ allErrors: true }).compile(schema);
    const document = await text("sbom.spdx.json");
    assert.ok(validate(JSON.parse(document)), JSON.stringify(validate.errors));
    assert.equal(validate(JSON.parse(document.replace('"SHA256"', '"SHA-256"'))), false);
  });
});

test("the SPDX document names every file with its digest and the package that owns it", async () => {
  await withImage(async ({ image, text }) => {
    const document = spdxSchema.parse(JSON.parse(await text("sbom.spdx.json")));
    const ids = [...document.packages, ...document.files].map(({ SPDXID }) => SPDXID);
    assert.equal(new Set(ids).size, ids.length);
    for (const { spdxElementId, relatedSpdxElement } of document.relationships)
      assert.ok(
        [spdxElementId, relatedSpdxElement].every((id) => id === "SPDXRef-DOCUMENT" || ids.includes(id)),
      );

    const { tree } = await openRootfs(realPlatform.files, image);
    const expected = [];
    for (const { path, node } of tree.entries()) if (node.kind === "file") expected.push(`./${path}`);
    assert.deepEqual(
      document.files.map(({ fileName }) => fileName),
      expected,
    );
    const ownerOf = (name: string): string | undefined => {
      const file = document.files.find(({ fileName }) => fileName === name);
      const [owner, ...others] = document.relationships.filter(
        ({ relationshipType, relatedSpdxElement }) =>
          relationshipType === "CONTAINS" && relatedSpdxElement === file?.SPDXID,
      );
      assert.deepEqual(others, [], name);
      return document.packages.find(({ SPDXID }) => SPDXID === owner?.spdxElementId)?.name;
    };
    for (const [name, owner] of [
      ["./usr/bin/awk", "tool"],
      ["./bin/busybox", "busybox"],
      ["./sbin/init", "kelpie-init"],
      ["./usr/local/bin/kelpie-guest", "kelpie-guest"],
      ["./etc/hostname", "rootfs.ext4"],
    ] as const)
      assert.equal(ownerOf(name), owner, name);
    const awk = document.files.find(({ fileName }) => fileName === "./usr/bin/awk");
    assert.deepEqual(
      awk?.checksums.map(({ checksumValue }) => checksumValue),
      [createHash("sha1").update("awk").digest("hex"), sha256("awk")],
    );
  });
});

test("packages and crates have URLs that a scanner reads, and digests of their archives", async () => {
  await withImage(async ({ options, text }) => {
    const { packages } = spdxSchema.parse(JSON.parse(await text("sbom.spdx.json")));
    const purlOf = (name: string): string =>
      packages.find((each) => each.name === name)?.externalRefs?.[0]?.referenceLocator ?? "";
    const purl = PackageURL.fromString(purlOf("tool"));
    assert.deepEqual(
      [purl.type, purl.namespace, purl.name, purl.version, { ...purl.qualifiers }],
      ["apk", "alpine", "tool", "1.0-r0", { arch: "aarch64", distro: "alpine-3.19.4" }],
    );
    assert.equal(purl.toString(), purlOf("tool"));
    assert.equal(purlOf("near"), "pkg:cargo/near@1.2.3");
    const tool = packages.find(({ name }) => name === "tool");
    const mirror = options.spec.repositories.alpine[0]?.url ?? "";
    assert.equal(tool?.downloadLocation, `${mirror}/aarch64/tool-1.0-r0.apk`);
    const response = await fetch(tool.downloadLocation);
    const archive = Buffer.from(await response.arrayBuffer());
    assert.equal(tool.checksums?.[0]?.checksumValue, createHash("sha256").update(archive).digest("hex"));
  });
});

test("the provenance names the image's files, every archive that went in, and times of the image alone", async () => {
  await withImage(async ({ image, text }) => {
    const { subject, predicate } = statementSchema.parse(JSON.parse(await text("provenance.intoto.json")));
    assert.deepEqual(
      subject.map(({ name }) => name),
      ["rootfs.ext4", "vmlinuz", "initrd", "sbom.spdx.json", "sbom.cdx.json"],
    );
    for (const { name, digest } of subject) {
      const bytes = await readFile(join(image.directory, name));
      assert.equal(digest.sha256, createHash("sha256").update(bytes).digest("hex"), name);
    }
    const { resolvedDependencies } = predicate.buildDefinition;
    const names = resolvedDependencies.map(({ name }) => name);
    for (const name of ["kelpie", "layout", "busybox", "tool", "guest/Cargo.lock", "kernel image"])
      assert.ok(names.includes(name), `${name} of ${names.join(", ")}`);
    const { startedOn, finishedOn } = predicate.runDetails.metadata;
    assert.deepEqual([startedOn, finishedOn], [image.buildDate, image.buildDate]);
  });
});

test("an archive carries an image's attachments, and they are held against the metadata on the way in", async () => {
  await withImage(async ({ image, options }) => {
    const archive = join(options.home, "image.tar.gz");
    await exportImage({ platform: realPlatform, image, output: archive });
    const home = join(options.home, "elsewhere");
    const imported = await importImage({ platform: realPlatform, home, path: archive });
    const verdicts = await verifyImage(realPlatform, new ImageStore(realPlatform, home), imported);
    assert.deepEqual(new Set(verdicts.map(({ kind }) => kind)), new Set(["intact"]));
    assert.equal(verdicts.length, 6);

    const unpacked = gunzipSync(await readFile(archive));
    const at = unpacked.indexOf('"CycloneDX"');
    assert.ok(at > 0);
    unpacked.write('"cYCLONEdx"', at);
    await writeFile(archive, gzipSync(unpacked));
    await assert.rejects(importImage({ platform: realPlatform, home, path: archive }), {
      code: "digest-mismatch",
    });
  });
});

test("an image's attachments are listed with media type, size and digest, and verified with it", async () => {
  await withImage(async ({ image, options, text }) => {
    const store = new ImageStore(realPlatform, options.home);
    const listed = attachments(image, await store.metadata(image));
    assert.deepEqual(
      listed.map(({ name, mediaType }) => [name, mediaType]),
      [
        ["sbom.spdx.json", "application/spdx+json"],
        ["sbom.cdx.json", "application/vnd.cyclonedx+json"],
        ["provenance.intoto.json", "application/vnd.in-toto+json"],
      ],
    );
    for (const { name, digest } of listed) assert.equal(digest, `sha256:${sha256(await text(name))}`);
    const kinds = async (): Promise<readonly string[]> =>
      (await verifyImage(realPlatform, store, image)).map(({ kind }) => kind);
    assert.deepEqual(
      await kinds(),
      Array.from({ length: 6 }, () => "intact"),
    );
    await realPlatform.files.remove(join(image.directory, "sbom.cdx.json"));
    await realPlatform.files.remove(join(image.directory, "sbom.spdx.json"));
    await writeFile(join(image.directory, "sbom.spdx.json"), "{}");
    assert.deepEqual((await kinds()).slice(3), ["damaged", "absent", "intact"]);
  });
});
