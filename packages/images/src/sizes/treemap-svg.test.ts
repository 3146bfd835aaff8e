import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { type TreemapNode, treemapSvg } from "./treemap-svg.ts";

const hasPython = spawnSync("python3", ["-c", "import xml.dom.minidom"]).status === 0;

/** The titles of all boxes, as an XML parser reads them; it fails where any of the drawings is not well-formed. */
function titlesOf(drawings: readonly string[]): readonly (readonly string[])[] {
  const script =
    "import sys,json,xml.dom.minidom as m\n" +
    "print(json.dumps([[t.firstChild.data for t in m.parseString(d.encode()).getElementsByTagName('title')] for d in json.load(sys.stdin)]))";
  const { status, stdout, stderr } = spawnSync("python3", ["-c", script], {
    input: JSON.stringify(drawings),
    encoding: "utf8",
    maxBuffer: 64 << 20,
  });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as string[][];
}

test("whatever files are called, the drawing is well-formed XML and names them", {
  skip: hasPython ? false : "no python3 with an XML parser",
}, () => {
  const label = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom('<script>alert("1")</script>', "a&b", "]]>", "\0\u0001"),
  );
  const node = fc.record({ label, sizeBytes: fc.integer({ min: 1, max: 1e9 }), detail: label });
  const trees = fc.sample(fc.array(node, { minLength: 1, maxLength: 12 }), { numRuns: 60, seed: 1 });
  const drawings = trees.map((children) =>
    treemapSvg({
      label: "all",
      sizeBytes: 1,
      detail: "",
      children: [{ ...(children[0] as TreemapNode), sizeBytes: 1e9, children }],
    }),
  );
  for (const [index, titles] of titlesOf(drawings).entries()) {
    assert.match(titles[0] ?? "", /^all: /);
    assert.ok(titles.length >= 2, `${index}`);
  }
  const [names] = titlesOf([
    treemapSvg({
      label: "x",
      sizeBytes: 5,
      detail: "",
      children: [{ label: "<b>&", sizeBytes: 5, detail: "" }],
    }),
  ]);
  assert.deepEqual(names, ["x: 0.0 kB", "<b>&: 0.0 kB"]);
});

test("the same tree is drawn with the same bytes, and a box of nothing is not drawn", () => {
  const root: TreemapNode = {
    label: "all",
    sizeBytes: 100,
    detail: "",
    children: [
      { label: "one", sizeBytes: 100, detail: "" },
      { label: "none", sizeBytes: 0, detail: "" },
    ],
  };
  assert.equal(treemapSvg(root), treemapSvg(root));
  assert.match(treemapSvg(root), />one</);
  assert.doesNotMatch(treemapSvg(root), /none:/);
});
