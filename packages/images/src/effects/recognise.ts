// From the install scripts of a package to the effects that take their place. Nothing is run, and nothing is guessed:
// a script that names a command whose effect is not known here fails the build.

import { KelpieError } from "@kelpie/platform";
import type { PackageArchive } from "@kelpie/repositories";
import type { Effect } from "./effect.ts";
import { harmlessCommands, nativeEffects } from "./commands.ts";
import { knownAlpinePackages } from "./known-alpine.ts";
import { knownDebianPackages } from "./known-debian.ts";
import type { KnownPackage } from "./known-package.ts";
import { readShellScript, type ShellCommand } from "./shell.ts";

/** What the scripts of one package come to. */
export interface PackageEffects {
  readonly package: string;
  readonly effects: readonly Effect[];
}

/** Scripts that a first installation runs, in its order. Those of upgrades and removals are never met by an image. */
const installScripts = {
  debian: ["preinst", "postinst"],
  alpine: [".pre-install", ".post-install", ".trigger"],
} as const;

/**
 * The effects of a package's install scripts: those that the spec declares for it, or else those of commands and
 * packages that Kelpie knows.
 *
 * @param declared the spec's `scripts`.
 * @throws KelpieError `unsupported` for a script that is not known, naming it and how to declare it.
 */
export function recogniseScripts(
  { package: { name, ecosystem }, scripts }: Pick<PackageArchive, "package" | "scripts">,
  declared: Readonly<Record<string, "skip" | readonly Effect[]>>,
): PackageEffects {
  const own = Object.hasOwn(declared, name) ? declared[name] : undefined;
  if (own !== undefined) return { package: name, effects: own === "skip" ? [] : own };
  const known = (ecosystem === "debian" ? knownDebianPackages : knownAlpinePackages).get(name);
  const effects: Effect[] = [];
  let present = false;
  for (const script of installScripts[ecosystem]) {
    const text = scripts.get(script);
    if (text === undefined) continue;
    present = true;
    effects.push(...recogniseScript(text, known, `${script} of ${name}`, name));
  }
  return {
    package: name,
    effects: present && known !== undefined ? [...effects, ...known.effects] : effects,
  };
}

/**
 * As {@link recogniseScripts} of each package, in order.
 *
 * @throws KelpieError `unsupported` that names all packages whose scripts are not known, so that one look at them is enough.
 */
export function recogniseAll(
  archives: readonly Pick<PackageArchive, "package" | "scripts">[],
  declared: Readonly<Record<string, "skip" | readonly Effect[]>>,
): readonly PackageEffects[] {
  const unknownScripts: KelpieError[] = [];
  const effects = archives.flatMap((archive) => {
    try {
      return [recogniseScripts(archive, declared)];
    } catch (error) {
      if (!KelpieError.is(error) || error.code !== "unsupported") throw error;
      unknownScripts.push(error);
      return [];
    }
  });
  const [first, ...others] = unknownScripts;
  if (first === undefined) return effects;
  if (others.length === 0) throw first;
  throw new KelpieError(
    "unsupported",
    `Kelpie does not know what ${unknownScripts.length} install scripts would do`,
    {
      found: unknownScripts.map(({ where = "", found = "" }) => `\n  ${where}: ${found}`).join(""),
      ...(first.help === undefined ? {} : { help: first.help }),
    },
  );
}

function recogniseScript(
  text: string,
  known: KnownPackage | undefined,
  where: string,
  name: string,
): readonly Effect[] {
  const interpreter = /^#!\s*(\S+)(?:[ \t]+(\S+))?/.exec(text);
  const [, program = "/bin/sh", argument] = interpreter ?? [];
  if (!/(^|\/)(sh|bash|dash|ash)$/.test(program) && !(program.endsWith("/busybox") && argument === "sh")) {
    throw unknown(name, where, [`a script for ${program}`]);
  }
  const { commands, functions } = readOrRefuse(text, where, name);
  const effects: Effect[] = [];
  const strange = new Set<string>();
  for (const command of commands) {
    if (command.writes.some((target) => !isDevice(target.text))) strange.add(">");
    const meaning = meaningOf(command, functions);
    switch (meaning.kind) {
      case "harmless":
        break;
      case "effects":
        effects.push(...meaning.effects);
        break;
      case "unknown":
        strange.add(meaning.command);
        break;
      default:
        meaning satisfies never;
    }
  }
  const unaccounted = [...strange].filter((command) => known?.runs.includes(command) !== true);
  if (unaccounted.length > 0) throw unknown(name, where, unaccounted);
  return effects;
}

function readOrRefuse(text: string, where: string, name: string): ReturnType<typeof readShellScript> {
  try {
    return readShellScript(text);
  } catch (cause) {
    if (!KelpieError.is(cause)) throw cause;
    throw unknown(name, where, [cause.message]);
  }
}

type Meaning =
  | { readonly kind: "harmless" }
  | { readonly kind: "effects"; readonly effects: readonly Effect[] }
  | { readonly kind: "unknown"; readonly command: string };

function meaningOf(command: ShellCommand, functions: ReadonlySet<string>): Meaning {
  const words = withoutPrefixes(command.words);
  const [first] = words;
  if (first === undefined || functions.has(first.text)) return { kind: "harmless" };
  const name = first.text.replace(/^\/(usr\/)?s?bin\//, "");
  if (harmlessCommands(name, words)) return { kind: "harmless" };
  const effects = words.every(({ literal }) => literal)
    ? nativeEffects(
        name,
        words.slice(1).map(({ text }) => text),
      )
    : undefined;
  return effects === undefined ? { kind: "unknown", command: name } : { kind: "effects", effects };
}

/** Past `exec`, `command` and `busybox`, which run the words after them. */
function withoutPrefixes(words: ShellCommand["words"]): ShellCommand["words"] {
  const [first, second] = words;
  if (first === undefined || second === undefined || second.text.startsWith("-")) return words;
  return /^(exec|command|(\/bin\/)?busybox)$/.test(first.text) ? withoutPrefixes(words.slice(1)) : words;
}

function isDevice(path: string): boolean {
  return /^\/dev\/(null|stderr|stdout|tty)$/.test(path);
}

function unknown(name: string, where: string, found: readonly string[]): KelpieError {
  return new KelpieError("unsupported", `Kelpie does not know what an install script would do`, {
    where,
    found: `it runs ${found.join(", ")}`,
    help: `Scripts are never run. Read it, then say what it comes to in the spec: \`scripts: {${name}: skip}\` if nothing of it matters to the image, or a list of effects, for example \`scripts: {${name}: [{do: directory, path: /var/lib/${name}}]}\`.`,
  });
}
