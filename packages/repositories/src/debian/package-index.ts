// Finds packages in Packages indexes by name and by what they provide, parsing only the stanzas that are asked for:
// a release has sixty thousand, an image needs fifty.

import { type Architecture, KelpieError } from "@kelpie/platform";
import { parseStanza } from "./deb822.ts";
import { type DebianPackage, readPackageStanza } from "./package.ts";
import { type ScannedStanzas, scanProvides, scanStanzas } from "./stanza-scan.ts";
import { compareDebianVersions } from "./version.ts";

/** One verified Packages file, uncompressed. */
export interface IndexPart {
  readonly bytes: Uint8Array;
  /** What the Filename fields are relative to. */
  readonly repositoryUrl: string;
  /** For messages: "https://mirror.example/debian bookworm/main amd64". */
  readonly label: string;
}

interface ScannedPart extends IndexPart, ScannedStanzas {
  readonly buffer: Buffer;
}

/** A stanza by the number of its part and its own number there. */
type StanzaAddress = readonly [part: number, stanza: number];

const priorities = ["required", "important", "standard", "optional", "extra"];

/** All indexes of one repository and architecture together. */
export class PackageIndex {
  readonly architecture: Architecture;
  readonly #parts: readonly ScannedPart[];
  /** For each part, each name with its stanza's number; the rare further versions of a name in the same part are apart. */
  readonly #stanzaOf: readonly ReadonlyMap<string, number>[];
  readonly #further: ReadonlyMap<string, readonly StanzaAddress[]>;
  readonly #versions = new Map<string, readonly DebianPackage[]>();
  #providers: ReadonlyMap<string, ReadonlySet<string>> | undefined;

  /** Where two parts have the same version of a package, the earlier part's is taken. */
  constructor(parts: readonly IndexPart[], architecture: Architecture) {
    this.architecture = architecture;
    this.#parts = parts.map((part) => {
      const buffer = Buffer.from(part.bytes.buffer, part.bytes.byteOffset, part.bytes.byteLength);
      return { ...part, buffer, ...scanStanzas(buffer, part.label) };
    });
    const further = new Map<string, StanzaAddress[]>();
    this.#stanzaOf = this.#parts.map(({ names }, part) => {
      const byName = new Map<string, number>();
      for (const [stanza, name] of names.entries()) {
        if (byName.has(name)) further.set(name, [...(further.get(name) ?? []), [part, stanza]]);
        else byName.set(name, stanza);
      }
      return byName;
    });
    this.#further = further;
  }

  /** How many packages there are, each version counted. */
  get size(): number {
    return this.#parts.reduce((sum, { names }) => sum + names.length, 0);
  }

  /** Every package name once. */
  names(): ReadonlySet<string> {
    return new Set(this.#parts.flatMap(({ names }) => names));
  }

  /** The packages of that name for this architecture, newest first. @throws KelpieError as `readPackageStanza`. */
  versions(name: string): readonly DebianPackage[] {
    const known = this.#versions.get(name);
    if (known !== undefined) return known;
    const addresses: StanzaAddress[] = this.#stanzaOf.flatMap((byName, part) => {
      const stanza = byName.get(name);
      return stanza === undefined ? [] : [[part, stanza] as const];
    });
    const sorted = [...addresses, ...(this.#further.get(name) ?? [])]
      .map((address) => this.#read(address))
      .filter(({ architecture }) => architecture === "all" || architecture === this.architecture)
      .sort((a, b) => compareDebianVersions(b.version, a.version));
    const distinct = sorted.filter(({ version }, index) => version !== sorted[index - 1]?.version);
    this.#versions.set(name, distinct);
    return distinct;
  }

  /** Packages whose newest version provides `name`: the most important first, then by their names. */
  providers(name: string): readonly DebianPackage[] {
    this.#providers ??= this.#scanProviders();
    return [...(this.#providers.get(name) ?? [])]
      .flatMap((provider) => this.versions(provider).slice(0, 1))
      .filter(({ provides }) => provides.some((provision) => provision.name === name))
      .sort((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1));
  }

  #read([part, stanza]: StanzaAddress): DebianPackage {
    const scanned = this.#parts[part];
    const start = scanned?.starts[stanza];
    if (scanned === undefined || start === undefined)
      throw new KelpieError("internal", `There is no stanza ${stanza} in index ${part}`);
    const { buffer, ends, label, repositoryUrl } = scanned;
    const text = buffer.toString("utf8", start, ends[stanza]);
    return readPackageStanza(
      parseStanza(text, { where: `${label}, byte ${start}` }),
      this.architecture,
      repositoryUrl,
      label,
    );
  }

  /** Provided name to the names of the packages that provide it in some version. */
  #scanProviders(): ReadonlyMap<string, ReadonlySet<string>> {
    const found = new Map<string, Set<string>>();
    for (const part of this.#parts) {
      for (const { stanza, text } of scanProvides(part.buffer, part)) {
        const provider = part.names[stanza];
        if (provider === undefined) continue;
        for (const item of text.split(",")) {
          const name = nameOfProvision(item);
          const providers = found.get(name);
          if (providers === undefined) found.set(name, new Set([provider]));
          else providers.add(provider);
        }
      }
    }
    return found;
  }
}

function rank({ priority }: DebianPackage): number {
  const at = priorities.indexOf(priority);
  return at < 0 ? priorities.length : at;
}

/** "awk" of " awk (= 1.3)", without a pattern: there are a hundred thousand of them. */
function nameOfProvision(item: string): string {
  const text = item.trim();
  const space = text.indexOf(" ");
  return space < 0 ? text : text.slice(0, space);
}
