// The word that was meant, for one that was mistyped.

const maxDistance = 2;

/** The nearest of `words`, where one is near enough to have been meant. */
export function nearest(word: string, words: readonly string[]): string | undefined {
  const ranked = words
    .map((known) => ({ known, distance: editDistance(word, known) }))
    .toSorted((a, b) => a.distance - b.distance);
  const [first] = ranked;
  const limit = Math.min(maxDistance, Math.floor(word.length / 2));
  return first !== undefined && first.distance <= limit ? first.known : undefined;
}

/** Insertions, deletions and replacements that make one word the other (Levenshtein). */
export function editDistance(from: string, to: string): number {
  let row = Array.from({ length: Array.from(to).length + 1 }, (_, index) => index);
  for (const [i, letter] of Array.from(from).entries()) {
    const next = [i + 1];
    for (const [j, other] of Array.from(to).entries()) {
      const replaced = (row[j] ?? 0) + (letter === other ? 0 : 1);
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
