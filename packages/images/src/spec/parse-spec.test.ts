import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { KelpieError } from "@kelpie/platform";
import { parseSpec } from "./parse-spec.ts";
import { parseByteSize } from "./schema.ts";

const valid = `
name: small
distribution: alpine
packages: [busybox]
kernel: {source: alpine}
`;

function refusal(text: string): KelpieError {
  try {
    parseSpec(text, "small.yaml");
  } catch (error) {
    assert.ok(KelpieError.is(error), String(error));
    assert.equal(error.code, "invalid-input");
    return error;
  }
  return assert.fail("the spec was accepted");
}

test("a small spec is read as it is written", () => {
  assert.deepEqual(parseSpec(valid, "small.yaml"), {
    name: "small",
    distribution: "alpine",
    packages: ["busybox"],
    kernel: { source: "alpine" },
  });
});

const mistakes: readonly { mistake: string; text: string; where: string; found: RegExp }[] = [
  {
    mistake: "an unknown key of the init options is answered with those that are allowed",
    text: "init:\n  loglevel: debug\n",
    where: "small.yaml:2:3",
    found: /init: unknown key "loglevel"; allowed here: services, mounts/,
  },
  {
    mistake: "a service that names no interpreter is told what a script begins with",
    text: "init:\n  services:\n    - name: web\n      content: echo hello\n",
    where: "small.yaml:4:16",
    found: /init\.services\.0\.content: expected a script whose first line names its interpreter/,
  },
  {
    mistake: "a mount option with a comma is found where it stands",
    text: 'init: {mounts: [{source: tmpfs, path: /scratch, type: tmpfs, options: ["size=1M,nosuid"]}]}\n',
    where: "small.yaml:1:72",
    found: /init\.mounts\.0\.options\.0: expected one option/,
  },
  {
    mistake: "an unknown key is named with its place and the key that was meant",
    text: "name: small\ndistribution: alpine\npackges: [busybox]\n",
    where: "small.yaml:3:1",
    found: /unknown key "packges"; did you mean "packages"\?/,
  },
  {
    mistake: "an unknown key that is near to nothing is answered with all that are allowed",
    text: "colour: red\n",
    where: "small.yaml:1:1",
    found: /unknown key "colour"; allowed here: .*name, .*kernel/,
  },
  {
    mistake: "an unknown key of a user is found where it stands",
    text: "users:\n  - name: me\n    uid: 1000\n    shel: /bin/sh\n",
    where: "small.yaml:4:5",
    found: /users\.0: unknown key "shel"; did you mean "shell"\?/,
  },
  {
    mistake: "a word that is not one of a few is answered with them",
    text: "distribution: debain\n",
    where: "small.yaml:1:15",
    found: /"debain" is not one of alpine, debian; did you mean "debian"\?/,
  },
  {
    mistake: "a digest for one architecture that is too short is found in its place",
    text: `base:\n  amd64: {tarball: a.tar, sha512: abc}\n  arm64: {tarball: b.tar, sha512: ${"0".repeat(128)}}\n`,
    where: "small.yaml:2:35",
    found: /base\.amd64\.sha512: expected 128/,
  },
  {
    mistake: "an unknown kind of effect is answered with the kinds that there are",
    text: "scripts:\n  tool:\n    - {do: lnk, path: /a, target: b}\n",
    where: "small.yaml:3:12",
    found: /"lnk" is not one of .*; did you mean "link"\?/,
  },
  {
    mistake: 'a path with ".." is refused',
    text: "files:\n  /etc/../../motd: {content: hi}\n",
    where: "small.yaml:2:20",
    found: /expected an absolute path in the image/,
  },
  {
    mistake: "a mode that is not octal is refused",
    text: "files:\n  /etc/motd: {content: hi, mode: 755}\n",
    where: "small.yaml:2:34",
    found: /mode/,
  },
  {
    mistake: "YAML that cannot be read is refused with its place",
    text: "name: [small\n",
    where: "small.yaml:2:1",
    found: /./,
  },
  {
    mistake: "a key that stands twice is refused",
    text: "name: a\nname: b\n",
    where: "small.yaml:2:1",
    found: /unique/,
  },
  {
    mistake: "a spec that is not a mapping is refused",
    text: "- name\n",
    where: "small.yaml:1:1",
    found: /object/,
  },
  {
    mistake: "a size that is none is refused",
    text: "size: big\n",
    where: "small.yaml:1:7",
    found: /512MiB/,
  },
];

for (const { mistake, text, where, found } of mistakes) {
  test(mistake, () => {
    const error = refusal(text);
    assert.equal(error.where, where);
    assert.match(error.found ?? "", found);
  });
}

test("all mistakes of a spec are told at once, in the order of their places", () => {
  const { help = "" } = refusal("nme: a\ndistribution: x\n");
  assert.match(help, /small\.yaml:1:1: .*\nsmall\.yaml:2:15: /);
});

test("an alias that grows beyond measure is refused", () => {
  const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\n${Array.from({ length: 9 }, (_, index) => {
    const [from, to] = [String.fromCharCode(97 + index), String.fromCharCode(98 + index)];
    return `${to}: &${to} [${`*${from},`.repeat(9)}]\n`;
  }).join("")}`;
  refusal(bomb);
});

test("a mode with a leading zero stays what was written, quoted or not", () => {
  const spec = parseSpec(
    `${valid}files:\n  /a: {content: x, mode: 0755}\n  /b: {content: x, mode: "0755"}\n`,
    "s",
  );
  assert.deepEqual(spec.files, {
    "/a": { content: "x", mode: "0755" },
    "/b": { content: "x", mode: "0755" },
  });
});

test("sizes are read with binary and decimal units", () => {
  assert.deepEqual(
    ["512MiB", "2GiB", "800MB", "1 TiB", 4096, "17", "1.5GiB", "0", "-1", "9PiB", ""].map(parseByteSize),
    [
      536_870_912,
      2_147_483_648,
      800_000_000,
      1_099_511_627_776,
      4096,
      17,
      ...Array<undefined>(5).fill(undefined),
    ],
  );
});

test("any text is a spec or a KelpieError", () => {
  const texts = fc.oneof(
    fc.string({ maxLength: 300 }),
    fc
      .array(
        fc.constantFrom(
          "name",
          ": ",
          "\n",
          "  ",
          "- ",
          "{",
          "}",
          "[",
          "]",
          "&a ",
          "*a",
          "kernel",
          "base",
          "'",
          '"',
          "0755",
          "|",
          "?",
        ),
        { maxLength: 40 },
      )
      .map((parts) => parts.join("")),
  );
  fc.assert(
    fc.property(texts, (text) => {
      try {
        parseSpec(text, "s");
      } catch (error) {
        assert.ok(KelpieError.is(error), String(error));
      }
    }),
    { numRuns: 500 },
  );
});
