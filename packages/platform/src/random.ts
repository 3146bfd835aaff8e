// Randomness, as an interface: the simulation replaces it by a seeded source.

/** Bytes that nobody can guess. */
export interface Random {
  bytes(count: number): Uint8Array;
}

/** `count` random bytes as lower-case hexadecimal text. */
export function randomHex(random: Random, count: number): string {
  return Buffer.from(random.bytes(count)).toString("hex");
}
