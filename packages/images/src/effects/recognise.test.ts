import assert from "node:assert/strict";
import { test } from "node:test";
import { KelpieError } from "@kelpie/platform";
import type { Ecosystem } from "@kelpie/repositories";
import { type Effect, effectSchema } from "./effect.ts";
import { knownAlpinePackages } from "./known-alpine.ts";
import { knownDebianPackages } from "./known-debian.ts";
import { recogniseAll, recogniseScripts } from "./recognise.ts";

function recognise(
  ecosystem: Ecosystem,
  name: string,
  scripts: Record<string, string>,
  declared: Record<string, "skip" | Effect[]> = {},
): readonly Effect[] {
  const chosen = {
    ecosystem,
    name,
    version: "1",
    architecture: "amd64" as const,
    location: "",
    sizeBytes: 0,
    digest: "",
  };
  return recogniseScripts({ package: chosen, scripts: new Map(Object.entries(scripts)) }, declared).effects;
}

function refusal(ecosystem: Ecosystem, scripts: Record<string, string>): KelpieError {
  try {
    recognise(ecosystem, "tool", scripts);
  } catch (error) {
    assert.ok(KelpieError.is(error), String(error));
    assert.equal(error.code, "unsupported");
    return error;
  }
  return assert.fail("the script was accepted");
}

test("a script that runs a command of unknown effect is refused with the command, the script and the way to declare it", () => {
  const error = refusal("debian", { postinst: "#!/bin/sh\nset -e\nfrobnicate --all\nmkdir /x\n" });
  assert.equal(error.where, "postinst of tool");
  assert.equal(error.found, "it runs frobnicate, mkdir");
  assert.match(error.help ?? "", /scripts: \{tool: skip\}/);
});

const refused: readonly (readonly [why: string, script: string])[] = [
  ["a file that is written", "echo x > /etc/y"],
  ["a file that is edited in place", "sed -i s/a/b/ /etc/y"],
  ["find that runs a command", "find / -exec rm {} +"],
  ["a command that only the script knows", '"$tool" --install'],
  ["a library that could hold anything", ". /usr/share/other/lib.sh"],
  ["words that only the script knows", "update-alternatives --install /a b $c 1"],
  ["another interpreter", "#!/usr/bin/perl\nunlink '/x';"],
  ["a command within a substitution", "echo $(install-everything)"],
  ["a command behind exec", "exec frobnicate"],
  ["text that is not a script", "echo 'never closed"],
];
for (const [why, script] of refused) {
  test(`a script is not known because of ${why}`, () => {
    refusal("debian", { postinst: script });
  });
}

test("scripts of removals and upgrades are never met by an image", () => {
  assert.deepEqual(recognise("debian", "tool", { postrm: "frobnicate", prerm: "frobnicate" }), []);
  assert.deepEqual(recognise("alpine", "tool", { ".post-upgrade": "frobnicate" }), []);
});

test("what the spec declares takes the place of scripts, known or not", () => {
  const effects: Effect[] = [{ do: "directory", path: "/var/lib/tool" }];
  assert.deepEqual(recognise("debian", "tool", { postinst: "frobnicate" }, { tool: effects }), effects);
  assert.deepEqual(recognise("debian", "tool", { postinst: "frobnicate" }, { tool: "skip" }), []);
  assert.deepEqual(recognise("debian", "base-passwd", { postinst: "cp a b" }, { "base-passwd": "skip" }), []);
});

test("a known package whose script begins to run another command is unknown again", () => {
  const known = 'cp -p "$1" "$2"';
  assert.deepEqual(recognise("debian", "readline-common", { postinst: known }), [
    { do: "copy", from: "/usr/share/readline/inputrc", to: "/etc/inputrc" },
  ]);
  assert.throws(() => recognise("debian", "readline-common", { postinst: `${known}\nfrobnicate` }), {
    code: "unsupported",
    found: "it runs frobnicate",
  });
});

test("an alternative with its slaves is taken from the words of update-alternatives", () => {
  const script = `update-alternatives --quiet --install /usr/bin/awk awk /usr/bin/mawk 5 \\
    --slave /usr/bin/nawk nawk /usr/bin/mawk`;
  assert.deepEqual(recognise("debian", "tool", { postinst: script }), [
    {
      do: "alternative",
      link: "/usr/bin/awk",
      name: "awk",
      path: "/usr/bin/mawk",
      priority: 5,
      slaves: [{ link: "/usr/bin/nawk", name: "nawk", path: "/usr/bin/mawk" }],
    },
  ]);
});

test("Alpine's usual script for a service's account becomes a group and a user", () => {
  const script = `#!/bin/sh
addgroup -S web 2>/dev/null
adduser -S -D -H -h /var/lib/web -s /sbin/nologin -G web -g web web 2>/dev/null
addgroup web www-data
exit 0`;
  assert.deepEqual(recognise("alpine", "tool", { ".pre-install": script }), [
    { do: "group", name: "web" },
    { do: "user", name: "web", group: "web", home: "/var/lib/web", shell: "/sbin/nologin", comment: "web" },
    { do: "member", user: "web", group: "www-data" },
  ]);
});

test("Debian's usual script for a service's account becomes a group, a user and its home", () => {
  const script = "adduser --system --quiet --group --home /var/lib/web --gecos 'Web server' web";
  assert.deepEqual(recognise("debian", "tool", { postinst: script }), [
    { do: "group", name: "web" },
    {
      do: "user",
      name: "web",
      group: "web",
      shell: "/usr/sbin/nologin",
      home: "/var/lib/web",
      comment: "Web server",
    },
    { do: "directory", path: "/var/lib/web", mode: "0755", owner: "web", group: "web" },
  ]);
});

test("login shells that a script adds are taken from its words", () => {
  assert.deepEqual(recognise("alpine", "bash", { ".post-install": "exec add-shell /bin/bash /bin/rbash" }), [
    { do: "shell", path: "/bin/bash" },
    { do: "shell", path: "/bin/rbash" },
  ]);
});

test("every effect of the tables of known packages is one that a spec could declare", () => {
  for (const table of [knownAlpinePackages, knownDebianPackages]) {
    for (const [name, { effects }] of table) {
      for (const effect of effects) assert.deepEqual(effectSchema.parse(effect), effect, name);
    }
  }
});

test("all packages whose scripts are not known are named at once", () => {
  const archive = (name: string, postinst: string): Parameters<typeof recogniseAll>[0][number] => ({
    package: {
      ecosystem: "debian",
      name,
      version: "1",
      architecture: "amd64",
      location: "",
      sizeBytes: 0,
      digest: "",
    },
    scripts: new Map([["postinst", postinst]]),
  });
  const archives = [archive("one", "frob"), archive("two", "true"), archive("three", "nicate")];
  assert.throws(() => recogniseAll(archives, {}), {
    code: "unsupported",
    found: "\n  postinst of one: it runs frob\n  postinst of three: it runs nicate",
  });
  assert.deepEqual(
    recogniseAll(archives, { one: "skip", three: "skip" }).map((each) => each.package),
    ["one", "two", "three"],
  );
});
