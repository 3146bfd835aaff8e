// A squarified treemap: sizes to rectangles that are as near to squares as they can be.
// (M. Bruls, K. Huizing, J. van Wijk: Squarified Treemaps, 2000.)

export interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/**
 * Rectangles that fill `room`, each in proportion to its size, in the order of `sizes`. The largest come out best where
 * they stand first. A size of zero, or less, gets a rectangle of no area.
 */
export function squarify(sizes: readonly number[], room: Rectangle): readonly Rectangle[] {
  const total = sizes.reduce((sum, size) => sum + positive(size), 0);
  const scale = total > 0 ? (room.width * room.height) / total : 0;
  const areas = sizes.map((size) => positive(size) * scale);
  const placed: Rectangle[] = [];
  let left = room;
  let start = 0;
  while (start < areas.length) {
    const side = Math.min(left.width, left.height);
    let end = start + 1;
    let rowArea = areas[start] ?? 0;
    let [least, most] = [rowArea, rowArea];
    let worst = worstRatio(least, most, rowArea, side);
    for (; end < areas.length; end++) {
      const area = areas[end] ?? 0;
      const [nextLeast, nextMost, nextArea] = [Math.min(least, area), Math.max(most, area), rowArea + area];
      const next = worstRatio(nextLeast, nextMost, nextArea, side);
      if (next > worst) break;
      [least, most, rowArea, worst] = [nextLeast, nextMost, nextArea, next];
    }
    const isLast = end === areas.length;
    left = placeRow(areas.slice(start, end), rowArea, left, isLast, placed);
    start = end;
  }
  return placed;
}

/** The worst of a row's proportions if it is laid along `side`: 1 for squares. */
function worstRatio(least: number, most: number, rowArea: number, side: number): number {
  if (least <= 0 || side <= 0) return Number.POSITIVE_INFINITY;
  const thickness = rowArea / side;
  return Math.max(most / thickness / thickness, thickness / (least / thickness));
}

/** Lays a row along the shorter side and returns what is left. The last row takes all, so that no rounding shows. */
function placeRow(
  areas: readonly number[],
  rowArea: number,
  room: Rectangle,
  isLast: boolean,
  placed: Rectangle[],
): Rectangle {
  const { x, y, width, height } = room;
  const isColumn = width >= height;
  const side = isColumn ? height : width;
  const depth = isColumn ? width : height;
  const thickness = isLast ? depth : Math.min(depth, side > 0 ? rowArea / side : 0);
  let offset = 0;
  for (const area of areas) {
    const length = rowArea > 0 ? Math.min(side - offset, (area / rowArea) * side) : 0;
    placed.push(
      isColumn
        ? { x, y: y + offset, width: thickness, height: length }
        : { x: x + offset, y, width: length, height: thickness },
    );
    offset += length;
  }
  return isColumn
    ? { x: x + thickness, y, width: width - thickness, height }
    : { x, y: y + thickness, width, height: height - thickness };
}

function positive(size: number): number {
  return Number.isFinite(size) && size > 0 ? size : 0;
}
