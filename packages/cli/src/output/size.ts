// Sizes for people.

const units = ["B", "kB", "MB", "GB", "TB"] as const;

/** Bytes in decimal units with three significant digits: "28.8 MB". */
export function formatSize(sizeBytes: number): string {
  let value = sizeBytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : value.toPrecision(3)} ${units[unit] ?? ""}`;
}
