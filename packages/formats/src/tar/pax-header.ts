// pax records as they are written.

const encoder = new TextEncoder();

/** The bytes of an extended header's content: records in bytewise order of their keys. */
export function encodePaxRecords(records: ReadonlyMap<string, string | Uint8Array>): Uint8Array {
  const sorted = [...records]
    .map(([key, value]) => [Buffer.from(key), Buffer.from(value)] as const)
    .sort(([a], [b]) => Buffer.compare(a, b));
  return Buffer.concat(sorted.flatMap(([key, value]) => [...encodeRecord(key, value)]));
}

function encodeRecord(key: Buffer, value: Buffer): readonly Uint8Array[] {
  // " " and "=" and "\n". The length counts its own digits.
  const rest = key.length + value.length + 3;
  let length = rest + `${rest}`.length;
  if (`${length}`.length > `${rest}`.length) length = rest + `${length}`.length;
  return [encoder.encode(`${length} `), key, encoder.encode("="), value, encoder.encode("\n")];
}
