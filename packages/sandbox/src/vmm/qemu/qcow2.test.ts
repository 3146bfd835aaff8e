// The empty qcow2 image, judged by qemu-img.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { KelpieError, realPlatform } from "@kelpie/platform";
import { emptyQcow2 } from "./qcow2.ts";

const hasQemuImg = (await realPlatform.processes.find("qemu-img")) !== undefined;
const skip = hasQemuImg ? false : "qemu-img is not installed (Debian: qemu-utils)";

test("a size that no disk has is refused", () => {
  for (const size of [0, -512, 511, 513, 2 ** 45 + 512]) {
    assert.throws(
      () => emptyQcow2(size),
      (error) => KelpieError.is(error) && error.code === "invalid-input",
      `${size}`,
    );
  }
});

test("the header says version 3, the size and where its tables are", () => {
  const view = new DataView(emptyQcow2(1 << 30).buffer);
  assert.equal(view.getUint32(0), 0x514649fb);
  assert.equal(view.getUint32(4), 3);
  assert.equal(view.getBigUint64(8), 0n, "no backing file");
  assert.equal(view.getBigUint64(24), 1n << 30n);
  assert.equal(view.getUint32(36), 2, "one L1 entry for each 512 MiB");
});

for (const size of [512, 1 << 20, 256 << 20, (512 << 20) + 512, 2 ** 40]) {
  test(`qemu-img finds nothing wrong with a disk of ${size} bytes`, { skip }, () => {
    const directory = mkdtempSync(join(tmpdir(), "kelpie-qcow2-"));
    try {
      const path = join(directory, "disk");
      writeFileSync(path, emptyQcow2(size));
      execFileSync("qemu-img", ["check", "-q", path]);
      const info = JSON.parse(
        execFileSync("qemu-img", ["info", "--output=json", path], { encoding: "utf8" }),
      ) as {
        format: string;
        "virtual-size": number;
      };
      assert.equal(info.format, "qcow2");
      assert.equal(info["virtual-size"], size);
      if (size > 1 << 20) return;
      execFileSync("qemu-img", ["convert", "-O", "raw", path, `${path}.raw`]);
      assert.ok(readFileSync(`${path}.raw`).equals(Buffer.alloc(size)));
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
}

test("over a raw disk, qemu-img reads that disk through it, and zeros beyond its end", { skip }, () => {
  const directory = mkdtempSync(join(tmpdir(), "kelpie-qcow2-"));
  try {
    const [layer, under] = [join(directory, "layer"), join(directory, "ünder")];
    // It begins as a qcow2 image that names another file: what lies under a layer is never probed.
    const content = Buffer.alloc(1 << 20, "below");
    Buffer.from(emptyQcow2(1 << 20, "/etc/passwd")).copy(content);
    writeFileSync(under, content);
    writeFileSync(layer, emptyQcow2(3 << 20, under));
    execFileSync("qemu-img", ["check", "-q", layer]);
    const info = JSON.parse(
      execFileSync("qemu-img", ["info", "--output=json", layer], { encoding: "utf8" }),
    ) as {
      "backing-filename": string;
      "backing-filename-format": string;
    };
    assert.equal(info["backing-filename"], under);
    assert.equal(info["backing-filename-format"], "raw");
    execFileSync("qemu-img", ["convert", "-O", "raw", layer, `${layer}.raw`]);
    assert.ok(readFileSync(`${layer}.raw`).equals(Buffer.concat([content, Buffer.alloc(2 << 20)])));
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("a path that no header can hold is refused", () => {
  assert.throws(
    () => emptyQcow2(1 << 20, `/${"x".repeat(1023)}`),
    (error) => KelpieError.is(error) && error.code === "invalid-input",
  );
});
