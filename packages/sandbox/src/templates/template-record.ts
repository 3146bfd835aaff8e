// template.json: what a template's directory says of itself. It is a cache's record: one that is not understood is
// no template, and is made anew.

import { tryParseJson } from "@kelpie/platform";

/** The files of a template beside its record, by what they are. */
export const templateFiles = { memory: "memory", state: "state", disk: "disk.qcow2" } as const;
export type TemplateFile = keyof typeof templateFiles;
export const templateFileKinds: readonly TemplateFile[] = ["memory", "state", "disk"];

const imageFileKinds = ["rootfs", "kernel", "initrd"] as const;
export type ImageFileKind = (typeof imageFileKinds)[number];

/** One text for each file. */
export type PerFile = Readonly<Record<TemplateFile, string>>;

export interface TemplateRecord {
  readonly schemaVersion: 1;
  /** Where the image's files stood, for its removal. */
  readonly image: Readonly<Record<ImageFileKind, string>>;
  /** What told those files apart when the template was made. */
  readonly imageStamps: Readonly<Record<ImageFileKind, string>>;
  /** What tells that the template's files are untouched. */
  readonly stamps: PerFile;
  /** The boot of the host in which the files were written or last read again: before its end they need not be on the disk. */
  readonly hostBoot: string;
  /** SHA-256 of the files (memory: `sparseDigest`); absent until they are computed. */
  readonly digests?: PerFile;
}

/** The record, or undefined where the text is none. */
export function parseTemplateRecord(text: string): TemplateRecord | undefined {
  const value = asObject(tryParseJson(text));
  if (value?.["schemaVersion"] !== 1) return undefined;
  const image = texts(value["image"], imageFileKinds);
  const imageStamps = texts(value["imageStamps"], imageFileKinds);
  const stamps = texts(value["stamps"], templateFileKinds);
  const hostBoot = value["hostBoot"];
  if (image === undefined || imageStamps === undefined || stamps === undefined) return undefined;
  if (typeof hostBoot !== "string") return undefined;
  const record: TemplateRecord = { schemaVersion: 1, image, imageStamps, stamps, hostBoot };
  if (!("digests" in value)) return record;
  const digests = texts(value["digests"], templateFileKinds);
  return digests === undefined ? undefined : { ...record, digests };
}

/** What is kept where no template can be made; undefined where the text is nothing of the kind. */
export function parseImpossible(text: string): { rootfs: string; reason: string } | undefined {
  return texts(asObject(tryParseJson(text)), ["rootfs", "reason"]);
}

/** The text of template.json. */
export function serializeTemplateRecord(record: TemplateRecord): string {
  return `${JSON.stringify(record, undefined, 2)}\n`;
}

function asObject(value: unknown): Record<string, unknown> | undefined {
  return typeof value === "object" && value !== null ? { ...value } : undefined;
}

function texts<Name extends string>(
  value: unknown,
  names: readonly Name[],
): Record<Name, string> | undefined {
  const object = asObject(value);
  const entries = names.map((name) => [name, object?.[name]] as const);
  if (!entries.every((entry): entry is readonly [Name, string] => typeof entry[1] === "string"))
    return undefined;
  return Object.fromEntries(entries) as Record<Name, string>;
}
