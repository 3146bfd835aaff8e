// Whether the initrd's modules are those of the kernel, and each can be loaded when its turn comes.

import { baseName, readModuleInfo } from "@kelpie/formats";
import { describeError } from "@kelpie/platform";
import type { InitrdContents } from "../diff/initrd-contents.ts";
import type { Finding } from "./finding.ts";

const linePattern = /^(always|later|virtio:[0-9a-f]{4}) \/(\S+\.ko)$/;

/** What is wrong with the list of modules and the modules, and the names of those that are loaded during the boot. */
export function checkModules(
  { files, moduleLines }: InitrdContents,
  release: string,
): { readonly finding: Finding; readonly names: ReadonlySet<string> } {
  const faults: string[] = moduleLines === undefined ? ["there is no /etc/kelpie/modules"] : [];
  /** Under which conditions each is loaded by now. */
  const loaded = new Map<string, Set<string>>();
  for (const line of moduleLines ?? []) {
    const [, when = "", path = ""] = linePattern.exec(line) ?? [];
    const file = files.get(path);
    if (file === undefined) {
      faults.push(path === "" ? `not a line of the list: ${JSON.stringify(line)}` : `${path} is not there`);
      continue;
    }
    const name = canonical(baseName(path).slice(0, -".ko".length));
    faults.push(
      ...moduleFaults(name, file.bytes, release, (needed) => {
        const conditions = loaded.get(needed);
        return conditions?.has("always") === true || conditions?.has(when) === true;
      }),
    );
    loaded.set(name, (loaded.get(name) ?? new Set()).add(when));
  }
  return {
    names: new Set([...loaded].filter(([, when]) => duringBoot(when)).map(([name]) => name)),
    finding: {
      what: `modules of ${release}, each after what it depends on`,
      isMet: faults.length === 0,
      found: faults.length === 0 ? `${loaded.size} modules` : faults.join("; "),
    },
  };
}

function duringBoot(when: ReadonlySet<string>): boolean {
  return [...when].some((condition) => condition !== "later");
}

function moduleFaults(
  name: string,
  bytes: Uint8Array,
  release: string,
  isLoaded: (name: string) => boolean,
): readonly string[] {
  try {
    const { vermagic = "", depends } = readModuleInfo(bytes, name);
    const [builtFor = ""] = vermagic.split(" ");
    return [
      ...(builtFor === release ? [] : [`${name} is for ${builtFor === "" ? "no kernel" : builtFor}`]),
      ...depends.filter((each) => !isLoaded(canonical(each))).map((each) => `${name} comes before ${each}`),
    ];
  } catch (error) {
    return [describeError(error)];
  }
}

/** The kernel takes "-" and "_" in names for the same. */
function canonical(name: string): string {
  return name.replaceAll("-", "_");
}
