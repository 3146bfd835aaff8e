// One point of the boot contract, and whether an image keeps it.

export interface Finding {
  /** What has to be so. */
  readonly what: string;
  readonly isMet: boolean;
  /** What was found. */
  readonly found: string;
}
