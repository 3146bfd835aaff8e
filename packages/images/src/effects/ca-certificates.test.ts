import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, readlink, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { FileTree } from "@kelpie/formats";
import { KelpieError } from "@kelpie/platform";
import { readText, TreeEditor } from "../rootfs/image-tree.ts";
import { bundleCertificates } from "./ca-certificates.ts";
import { readPemCertificate, subjectHash } from "./certificate.ts";

/** What openssl makes of a subject; skipped where there is no openssl. */
function selfSigned(subject: string, ...options: string[]): { pem: string; hash: string } {
  const pem = execFileSync(
    "openssl",
    `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout /dev/null -days 1`
      .split(" ")
      .concat("-subj", subject, "-utf8", ...options),
    { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] },
  );
  const hash = execFileSync("openssl", ["x509", "-hash", "-noout"], { encoding: "utf8", input: pem }).trim();
  return { pem, hash };
}

const skip = existsSync("/usr/bin/openssl") ? false : "no openssl is installed";
const subjects = [
  "/C=DE/O=Example/CN=Root 1",
  "/CN=  Many   Blanks  ",
  "/CN=ÄÖÜ école 東京",
  "/C=US/O=Upper lower/OU=x+CN=two in one set",
  `/CN=${"long ".repeat(12)}`,
];

for (const subject of subjects) {
  test(`openssl finds a certificate by the hash that Kelpie computes: ${subject}`, { skip }, () => {
    const { pem, hash } = selfSigned(subject, ...(subject.includes("+") ? ["-multivalue-rdn"] : []));
    assert.equal(subjectHash(readPemCertificate(pem, "x"), "x"), hash);
  });
}

const systemCertificates = "/usr/share/ca-certificates/mozilla";

test("certificates of the system have the hashes that openssl says", {
  skip: skip === false && existsSync(systemCertificates) ? false : "no ca-certificates are installed",
}, async () => {
  const names = await readdir(systemCertificates);
  for (const name of names.filter((_, index) => index % 15 === 0)) {
    const path = join(systemCertificates, name);
    const expected = execFileSync("openssl", ["x509", "-hash", "-noout", "-in", path], { encoding: "utf8" });
    assert.equal(subjectHash(readPemCertificate(await readFile(path, "utf8"), name), name), expected.trim());
  }
});

test("the links of a bundle are those that openssl rehash makes", { skip }, async () => {
  const editor = new TreeEditor(new FileTree(), 0);
  const first = selfSigned("/CN=Same");
  const certificates = {
    "A (x), y.crt": first,
    "b.crt": selfSigned("/CN=Other"),
    "c.crt": selfSigned("/CN=Same"),
  };
  for (const [name, { pem }] of Object.entries(certificates))
    editor.text(`usr/share/ca-certificates/test/${name}`, pem.trimEnd());
  await bundleCertificates(editor);
  const { tree } = editor;
  assert.equal(
    await readText(tree, "/etc/ssl/certs/ca-certificates.crt"),
    Object.values(certificates)
      .map(({ pem }) => pem)
      .join(""),
  );
  const names = tree.list("etc/ssl/certs");
  assert.ok(names.includes("A_=x=__y.pem"), names.join());
  const directory = await mkdtemp(join(tmpdir(), "kelpie-rehash-"));
  try {
    for (const [name, { pem }] of Object.entries(certificates)) {
      const path = `/usr/share/ca-certificates/test/${name}`;
      const link = names.find((each) => {
        const node = tree.get(`etc/ssl/certs/${each}`);
        return node?.kind === "symlink" && node.target === path;
      });
      assert.ok(link !== undefined, name);
      execFileSync("tee", [join(directory, link)], { input: pem, stdio: ["pipe", "ignore", "inherit"] });
    }
    execFileSync("openssl", ["rehash", directory]);
    for (const name of (await readdir(directory)).filter((each) => /^[0-9a-f]{8}\.\d+$/.test(each))) {
      const node = tree.get(`etc/ssl/certs/${name}`);
      assert.equal(node?.kind === "symlink" && node.target, await readlink(join(directory, name)), name);
    }
  } finally {
    await rm(directory, { recursive: true });
  }
});

test("a certificate that the configuration withdraws is not trusted, and a local one is", {
  skip,
}, async () => {
  const editor = new TreeEditor(new FileTree(), 0);
  const [good, bad, local] = ["good", "bad", "local"].map((name) => selfSigned(`/CN=${name}`).pem);
  editor.text("usr/share/ca-certificates/good.crt", good ?? "");
  editor.text("usr/share/ca-certificates/bad.crt", bad ?? "");
  editor.text("usr/local/share/ca-certificates/local.crt", local ?? "");
  editor.text("etc/ca-certificates.conf", "# comment\ngood.crt\n!bad.crt\nmissing.crt\n");
  await bundleCertificates(editor);
  assert.equal(await readText(editor.tree, "/etc/ssl/certs/ca-certificates.crt"), `${good}${local}`);
});

test("what is not a certificate is refused", () => {
  assert.throws(() => readPemCertificate("-----BEGIN CERTIFICATE-----\n", "x"), { code: "malformed" });
  for (const bytes of [[0x30, 0x80], [0x30, 0x85, 1, 1, 1, 1, 1], [0x30, 5, 0x30], []]) {
    assert.throws(() => subjectHash(Uint8Array.from(bytes), "x"), { code: "malformed" });
  }
});

test("any bytes are a certificate's or a KelpieError", () => {
  const element = fc.letrec<{ node: Uint8Array }>((tie) => ({
    node: fc.oneof(
      { maxDepth: 4 },
      fc.uint8Array({ maxLength: 6 }),
      fc
        .tuple(
          fc.constantFrom(0x30, 0x31, 0xa0, 0x02, 0x0c, 0x1e, 0x06),
          fc.array(tie("node"), { maxLength: 7 }),
        )
        .map(([tag, parts]) => {
          const content = Buffer.concat(parts);
          return new Uint8Array(Buffer.concat([Buffer.from([tag, Math.min(content.length, 0x7f)]), content]));
        }),
    ),
  })).node;
  fc.assert(
    fc.property(element, (bytes) => {
      try {
        assert.match(subjectHash(bytes, "x"), /^[0-9a-f]{8}$/);
      } catch (error) {
        assert.ok(KelpieError.is(error), String(error));
      }
    }),
    { numRuns: 2000 },
  );
});
