// The order of names in everything that Kelpie writes.

/** Order of the UTF-8 bytes, which JavaScript's own order of UTF-16 units is not. A comparator. */
export function bytewise(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
