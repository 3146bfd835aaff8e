// JSON with one text for one value: keys in order, nothing undefined.

/** Serialises a value of plain data; keys stand in the order of their code units, absent values are left out. */
export function canonicalJson(value: unknown, indent = ""): string {
  return `${JSON.stringify(sorted(value), undefined, indent)}${indent === "" ? "" : "\n"}`;
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, each]) => each !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, each]) => [key, sorted(each)]),
  );
}
