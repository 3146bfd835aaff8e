// A fetched Alpine package: what every package archive has, and what only the installed database needs.

import type { PackageArchive } from "../package.ts";
import type { DataEntry } from "./package-data.ts";
import type { PackageInfo } from "./package-info.ts";
import type { ApkRecord } from "./record.ts";

export interface AlpineArchive extends PackageArchive {
  readonly record: ApkRecord;
  readonly info: PackageInfo;
  readonly entries: readonly DataEntry[];
  /** The trusted key by which it verified. */
  readonly keyName: string;
}
