// Templates on disk: which are used, which are refused, and what is swept. Their files are made here.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { type Platform, realPlatform, type TemporaryDirectory } from "@kelpie/platform";
import fc from "fast-check";
import type { BootImage } from "../vmm/vmm.ts";
import { sparseDigest } from "./sparse-digest.ts";
import { parseTemplateRecord, serializeTemplateRecord, templateFiles } from "./template-record.ts";
import { type Template, TemplateStore } from "./template-store.ts";

const { files } = realPlatform;
const key = "0123456789abcdef0123456789abcdef";
const anyPid = 4_194_305; // one more than Linux gives

async function write(path: string, text: string): Promise<void> {
  await using file = await files.open(path, "replace");
  await file.write(Buffer.from(text), 0);
}

/** A platform on a host that was started anew. */
const afterReboot: Platform = {
  ...realPlatform,
  files: {
    ...files,
    readFile: (path, limit) =>
      path.endsWith("/boot_id")
        ? Promise.resolve(Buffer.from("another-boot\n"))
        : files.readFile(path, limit),
  },
};

interface World {
  readonly home: TemporaryDirectory;
  readonly image: BootImage;
  readonly store: TemplateStore;
  readonly later: TemplateStore;
}

async function inWorld(use: (world: World) => Promise<void>): Promise<void> {
  await using home = await files.temporaryDirectory("kelpie-templates-");
  const image: BootImage = {
    architecture: "amd64",
    rootfs: join(home.path, "rootfs"),
    kernel: join(home.path, "kernel"),
    initrd: join(home.path, "initrd"),
  };
  for (const path of [image.rootfs, image.kernel, image.initrd]) await write(path, path);
  const store = new TemplateStore(realPlatform, home.path);
  await use({ home, image, store, later: new TemplateStore(afterReboot, home.path) });
}

async function publish({ store, image }: World, name = key): Promise<Template> {
  await using _lock = await store.lock(name, 1000, new AbortController().signal);
  await using staging = await store.stage();
  for (const file of Object.values(templateFiles)) await write(join(staging.path, file), `${name} ${file}`);
  await write(join(staging.path, "console.log"), "no part of it");
  return await store.publish(name, image, staging.path);
}

test("a template that was published is found, and nothing else is in its directory or beside it", async () => {
  await inWorld(async (world) => {
    assert.deepEqual(await world.store.find(key, world.image), { kind: "missing" });
    const template = await publish(world);
    assert.deepEqual(await world.store.find(key, world.image), { kind: "found", template });
    const templates = join(world.home.path, "templates");
    assert.deepEqual(await files.list(templates), [key]);
    assert.deepEqual(await files.list(join(templates, key)), [
      "disk.qcow2",
      "memory",
      "state",
      "template.json",
    ]);
  });
});

for (const kind of ["memory", "state", "disk"] as const) {
  test(`a template whose ${kind} was changed is refused, sealed or not`, async () => {
    await inWorld(async (world) => {
      for (const isSealed of [false, true]) {
        const template = await publish(world);
        if (isSealed) await world.store.seal(template);
        await files.remove(template.saved[kind]);
        await write(template.saved[kind], "damaged");
        const { kind: found, ...rest } = await world.store.find(key, world.image);
        assert.equal(found, "refused", JSON.stringify(rest));
      }
    });
  });
}

test("a sealed template outlives the host's next start, if its files are what they were", async () => {
  await inWorld(async (world) => {
    const template = await publish(world);
    await world.store.seal(template);
    assert.equal((await world.later.find(key, world.image)).kind, "found");
    assert.equal((await world.later.find(key, world.image)).kind, "found");
    const status = await files.stat(template.saved.memory);
    await write(template.saved.memory, "x".repeat(status?.sizeBytes ?? 0));
    await files.setModifiedTime(template.saved.memory, status?.mtimeMs ?? 0);
    const { kind, ...rest } = await world.store.find(key, world.image);
    assert.equal(
      kind,
      "refused",
      "the host's start is another one again, so it is read, whatever its time says",
    );
    assert.match(JSON.stringify(rest), /memory is not what was saved/);
  });
});

test("a template that was not sealed is not trusted after the host's next start", async () => {
  await inWorld(async (world) => {
    await publish(world);
    assert.equal((await world.later.find(key, world.image)).kind, "refused");
  });
});

test("a template of an image whose files were written anew is refused", async () => {
  await inWorld(async (world) => {
    await publish(world);
    await write(world.image.initrd, "another content");
    assert.equal((await world.store.find(key, world.image)).kind, "refused");
  });
});

test("a damaged record is no template", async () => {
  await inWorld(async (world) => {
    await publish(world);
    await write(join(world.home.path, "templates", key, "template.json"), '{"schemaVersion": 1}');
    assert.equal((await world.store.find(key, world.image)).kind, "refused");
  });
});

test("a sweep takes what a killed process left, what is damaged, what has no image, and the longest unused", async () => {
  await inWorld(async (world) => {
    const { store, image, home } = world;
    const named = (digit: string): string => digit.repeat(32);
    for (const [index, digit] of ["a", "b", "c", "d"].entries()) {
      await publish(world, named(digit));
      await files.setModifiedTime(join(home.path, "templates", named(digit), "template.json"), 1000 * index);
    }
    await write(join(home.path, "templates", named("d"), "template.json"), "damaged");
    await files.makeDirectory(join(home.path, "templates", `.${anyPid}-abcdef`));
    await using alive = await store.stage();
    await store.giveUp(named("e"), image, "it refuses");
    await store.sweep(2);
    const left = await files.list(join(home.path, "templates"));
    const mine = alive.path.split("/").at(-1) ?? "";
    assert.deepEqual(left, [mine, named("b"), named("c"), `${named("e")}.impossible`].sort());
    await files.remove(image.rootfs);
    await store.sweep(2);
    assert.deepEqual(await files.list(join(home.path, "templates")), [mine]);
  });
});

test("an image's templates go with it, and no other's", async () => {
  await inWorld(async (world) => {
    await publish(world);
    assert.equal(await world.store.removeOfImage("/another"), 0);
    assert.equal(await world.store.removeOfImage(world.image.rootfs), 1);
    assert.deepEqual(await world.store.list(), []);
  });
});

test("what cannot be saved is kept in mind", async () => {
  await inWorld(async ({ store, image }) => {
    await using _lock = await store.lock(key, 1000, new AbortController().signal);
    await store.giveUp(key, image, "the agent is too old");
    assert.deepEqual(await store.find(key, image), { kind: "impossible", reason: "the agent is too old" });
  });
});

test("any text is a record or none, and a record survives its text", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json(),
        fc.json().map((text) => `{"schemaVersion":1,"image":${text}}`),
      ),
      (text) => {
        const record = parseTemplateRecord(text);
        if (record !== undefined)
          assert.deepEqual(parseTemplateRecord(serializeTemplateRecord(record)), record);
      },
    ),
  );
  const three = (text: string) => ({ rootfs: text, kernel: text, initrd: text });
  const stamps = { memory: "m", state: "s", disk: "d" };
  const record = {
    schemaVersion: 1,
    image: three("i"),
    imageStamps: three("t"),
    stamps,
    hostBoot: "b",
  } as const;
  assert.deepEqual(parseTemplateRecord(serializeTemplateRecord(record)), record);
  const sealed = { ...record, digests: stamps };
  assert.deepEqual(parseTemplateRecord(serializeTemplateRecord(sealed)), sealed);
});

test("the digest of a file is that of its content, wherever its holes are, and changes with any byte", async () => {
  await using directory = await files.temporaryDirectory("kelpie-digest-");
  const path = join(directory.path, "file");
  const make = async (
    parts: readonly (readonly [at: number, byte: number])[],
    sizeBytes: number,
  ): Promise<string> => {
    await using file = await files.open(path, "replace");
    for (const [at, byte] of parts) await file.write(Uint8Array.of(byte), at);
    await file.truncate(sizeBytes);
    return await sparseDigest(files, path);
  };
  const size = (3 << 20) + 5;
  const digests = [
    await make([], size),
    await make([], size + 1),
    await make([[0, 1]], size),
    await make([[1 << 20, 1]], size),
    await make([[size - 1, 1]], size),
    await make([[size - 1, 2]], size),
  ];
  assert.equal(new Set(digests).size, digests.length);
  assert.equal(
    await make(
      [
        [5, 0],
        [2 << 20, 0],
      ],
      size,
    ),
    digests[0],
    "zeros that are written are no other than a hole",
  );
});
