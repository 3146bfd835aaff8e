import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { KelpieError } from "@kelpie/platform";
import { readShellScript } from "./shell.ts";

/** Each command as its words; those that only the running script knows in angle brackets. */
function commandsOf(text: string): string[] {
  return readShellScript(text).commands.map(({ words, writes }) =>
    [
      ...words.map(({ text: word, literal }) => (literal ? word : `<${word}>`)),
      ...writes.map(({ text: word, literal }) => `>${literal ? word : `<${word}>`}`),
    ].join(" "),
  );
}

const cases: readonly { what: string; script: string; commands: readonly string[] }[] = [
  {
    what: "plain commands",
    script: "set -e\nmkdir -p /a; rmdir /b",
    commands: ["set -e", "mkdir -p /a", "rmdir /b"],
  },
  { what: "comments", script: "# rm /\nls # rm /\necho a#b", commands: ["ls", "echo a#b"] },
  { what: "quotes", script: `echo 'a b' "c \\" d" e\\ f`, commands: ['echo a b c " d e f'] },
  {
    what: "the branches of if",
    script: "if [ -e /a ]; then cp a b; elif test x; then mv a b; else rm a; fi",
    commands: ["[ -e /a ]", "cp a b", "test x", "mv a b", "rm a"],
  },
  {
    what: "the arms of case, with patterns that look like commands",
    script:
      'case "$1" in\n  rm|mv) ls ;;\n  (configure)\n    chown a b\n    ;;\n  *) exit 1\nesac\necho done',
    commands: ["ls", "chown a b", "exit 1", "echo done"],
  },
  {
    what: "loops, whose words are no commands",
    script: "for i in rm mv; do echo $i; done\nwhile read -r x; do touch $x; done < /list",
    commands: ["echo <$i>", "read -r x", "touch <$x>"],
  },
  {
    what: "substitutions of both kinds, also within double quotes and expansions",
    script: 'a=$(ls /x)\necho "`id -u 2> /dev/null`" "${b:-$(uname)}" $((1 + $(wc)))',
    commands: [
      "ls /x",
      "id -u >/dev/null",
      "uname",
      "wc",
      "echo <`id -u 2> /dev/null`> <${b:-$(uname)}> <$((1 + $(wc)))>",
    ],
  },
  {
    what: "lists and pipes",
    script: "true && a || b | c & d",
    commands: ["true", "a", "b", "c", "d"],
  },
  { what: "a command with a variable's value", script: "LC_ALL=C A=b sort x", commands: ["sort x"] },
  {
    what: "subshells and groups",
    script: "(cd /a; tar x) ; { cp b c; }",
    commands: ["cd /a", "tar x", "cp b c"],
  },
  {
    what: "here-documents, whose lines are no commands",
    script: "cat <<EOF > /etc/x\nrm -rf /\nEOF\ncat <<-'END'\n\trm $x\n\tEND\nls",
    commands: ["cat >/etc/x", "cat", "ls"],
  },
  {
    what: "files that are written, and descriptors that are not",
    script: ": > /a\nls >&2 2>/dev/null\necho x >> $f\n> /b",
    commands: [": >/a", "ls >/dev/null", "echo x ><$f>", ">/b"],
  },
  {
    what: "continued lines",
    script: "update-alternatives --install \\\n  /a b \\\n /c 1",
    commands: ["update-alternatives --install /a b /c 1"],
  },
  {
    what: "patterns, which only the running script knows",
    script: "rm /a/* b[1-9] c?",
    commands: ["rm </a/*> <b[1-9]> <c?>"],
  },
];

for (const { what, script, commands } of cases) {
  test(`a script's commands are found: ${what}`, () => {
    assert.deepEqual(commandsOf(script), commands);
  });
}

test("the functions that a script defines are told apart from commands", () => {
  const { commands, functions } = readShellScript("f() { mv a b; }\ng ()\n{\n  f\n}\ng x");
  assert.deepEqual([...functions], ["f", "g"]);
  assert.deepEqual(
    commands.map(({ words }) => words[0]?.text),
    ["mv", "f", "g"],
  );
});

for (const script of [
  "echo 'a",
  'echo "a',
  "echo $(ls",
  "echo `ls",
  "case x in a) ls",
  "ls )",
  "case x of y) esac",
]) {
  test(`what is not a shell's syntax is refused: ${script}`, () => {
    assert.throws(() => readShellScript(script), { code: "malformed" });
  });
}

test("nesting without end is refused", () => {
  for (const script of [
    "(".repeat(10_000),
    "$(".repeat(10_000),
    "`$(".repeat(10_000),
    "${a:-".repeat(10_000),
  ]) {
    assert.throws(() => readShellScript(`echo ${script}`), { name: "KelpieError" });
  }
});

test("any text is a script or a KelpieError", () => {
  const parts = fc.constantFrom(
    ..."if|fi|then|case|in|esac|for|do|done|{|}|(|)|$(|${|`|'|\"|;|;;|&|>|<<E|\n|E|#|\\|a=|x| |$|!".split(
      "|",
    ),
    "|",
  );
  fc.assert(
    fc.property(fc.array(parts, { maxLength: 60 }), (words) => {
      try {
        readShellScript(words.join(""));
      } catch (error) {
        assert.ok(KelpieError.is(error), String(error));
      }
    }),
    { numRuns: 3000 },
  );
});
