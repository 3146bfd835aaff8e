import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FileTree } from "@kelpie/formats";
import { KelpieError } from "@kelpie/platform";
import { Accounts } from "./accounts.ts";
import { readText, TreeEditor } from "./image-tree.ts";

const passwd = "root:x:0:0:root:/root:/bin/sh\nweb:*:100:101::/:/sbin/nologin\n";
const group = "root:x:0:root\nshadow:x:42:\nstaff:*:50:\nwebs:x:101:\n";

function accounts(): Accounts {
  return Accounts.parse(passwd, group, "root:*::0:::::\n");
}

async function written(value: Accounts): Promise<Record<string, string | undefined>> {
  const editor = new TreeEditor(new FileTree(), 0);
  value.write(editor);
  assert.deepEqual(
    ["passwd", "group", "shadow"]
      .map((name) => editor.tree.get(`etc/${name}`))
      .map((node) => [node?.mode, node?.gid]),
    [
      [0o644, 0],
      [0o644, 0],
      [0o640, 42],
    ],
  );
  const read = async (name: string): Promise<string | undefined> => readText(editor.tree, `/etc/${name}`);
  return { passwd: await read("passwd"), group: await read("group"), shadow: await read("shadow") };
}

test("accounts are written as they were read, each with a line of its own in shadow that only root and shadow read", async () => {
  assert.deepEqual(await written(accounts()), {
    passwd: "root:x:0:0:root:/root:/bin/sh\nweb:x:100:101::/:/sbin/nologin\n",
    group: "root:x:0:root\nshadow:x:42:\nstaff:x:50:\nwebs:x:101:\n",
    shadow: "root:*::0:::::\nweb:*::0:::::\n",
  });
});

test("a new system user gets the first number that nobody has, the group's own where that is free", async () => {
  const value = accounts();
  assert.equal(value.addGroup("db"), 102);
  assert.equal(value.addUser({ name: "db", gid: value.gid("db") }), 102);
  assert.equal(value.addUser({ name: "other", gid: 0 }), 103);
  assert.match((await written(value))["shadow"] ?? "", /^db:!::0:::::$/m);
});

test("adding what is there already changes nothing, unless its number is another", () => {
  const value = accounts();
  assert.equal(value.addGroup("shadow", 42), 42);
  assert.equal(value.addUser({ name: "web", gid: 101 }), 100);
  assert.throws(() => value.addGroup("shadow", 43), { code: "already-exists" });
  assert.throws(() => value.addUser({ name: "web", uid: 1, gid: 101 }), { code: "already-exists" });
});

test("members are added once", async () => {
  const value = accounts();
  value.addMember("web", "staff");
  value.addMember("web", "staff");
  assert.match((await written(value))["group"] ?? "", /^staff:x:50:web$/m);
  assert.throws(() => value.addMember("web", "nobodys"), { code: "invalid-input" });
});

test("names and numbers are both taken for owners, and an unknown name is refused with those that there are", () => {
  const value = accounts();
  assert.equal(value.uid("web"), 100);
  assert.equal(value.gid("webs"), 101);
  assert.equal(value.uid("1234"), 1234);
  assert.throws(() => value.uid("me"), { code: "invalid-input", message: /root, web/ });
});

test("a line of passwd that is none is refused with its number", () => {
  assert.throws(() => Accounts.parse("root:x:0:0:root:/root:/bin/sh\nweb:x:100\n", "", ""), {
    code: "malformed",
    where: "/etc/passwd:2",
  });
  assert.throws(() => Accounts.parse("root:x:zero:0:::\n", "", ""), { code: "malformed" });
});

test("any text is a file of accounts or a KelpieError", () => {
  const text = fc.string({ unit: fc.constantFrom("a", ":", ":", ":", "1", "\n", "#", ","), maxLength: 80 });
  fc.assert(
    fc.property(text, text, text, (first, second, third) => {
      try {
        Accounts.parse(first, second, third);
      } catch (error) {
        assert.ok(KelpieError.is(error), String(error));
      }
    }),
    { numRuns: 1000 },
  );
});
