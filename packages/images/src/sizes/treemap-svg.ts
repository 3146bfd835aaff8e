// Draws a treemap as an SVG that stands by itself and is read on light and dark grounds.

import { createHash } from "node:crypto";
import { escapeXml } from "@kelpie/formats";
import { type Rectangle, squarify } from "./treemap.ts";

/** A box, and the boxes in it. */
export interface TreemapNode {
  readonly label: string;
  readonly sizeBytes: number;
  /** A few words beside the size. */
  readonly detail: string;
  readonly children?: readonly TreemapNode[];
  /** Drawn without a colour. */
  readonly isMuted?: boolean;
}

const width = 1200;
const height = 720;
const titleHeight = 36;
const headHeight = 16;
const gap = 2;
/** Of one character, on average; text that would not fit is cut. */
const characterWidth = 6.6;
const leastCharacters = 5;
/** Boxes below this many square pixels are not drawn, and those in a box below the second are not looked at. */
const leastArea = 3;
const leastParentArea = 5000;

const light = [
  "#9ec5e8",
  "#f4bf8f",
  "#a8d8a2",
  "#e8a5a5",
  "#c4b1e1",
  "#d4b8a5",
  "#efb3d4",
  "#cfd28a",
  "#9fdbe0",
  "#f0d48a",
];
const dark = [
  "#2b5f8f",
  "#9a5a1c",
  "#356b35",
  "#8f3b3b",
  "#5f4a8a",
  "#6b4c3b",
  "#8a3f6b",
  "#656a1e",
  "#1f6b72",
  "#7d611a",
];

/** The whole drawing. The same node gives the same bytes. */
export function treemapSvg(root: TreemapNode): string {
  const parts: string[] = [];
  const room = { x: gap, y: titleHeight, width: width - 2 * gap, height: height - titleHeight - gap };
  drawChildren(root.children ?? [root], room, undefined, parts);
  const title = `${root.label}: ${sizeText(root.sizeBytes)}`;
  return `<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeXml(title)}">
<title>${escapeXml(title)}</title>
<style>${style()}</style>
<rect class="ground" width="${width}" height="${height}"/>
<text class="title" x="8" y="24">${escapeXml(title)}</text>
${parts.join("\n")}
</svg>
`;
}

function drawChildren(
  nodes: readonly TreemapNode[],
  room: Rectangle,
  colour: number | undefined,
  parts: string[],
): void {
  const places = squarify(
    nodes.map(({ sizeBytes }) => sizeBytes),
    room,
  );
  for (const [index, node] of nodes.entries()) {
    const place = places[index];
    if (place !== undefined) draw(node, place, colour, parts);
  }
}

/** A box takes the colour of the box around it, so that a package and its files are seen as one. */
function draw(node: TreemapNode, place: Rectangle, inherited: number | undefined, parts: string[]): void {
  if (place.width * place.height < leastArea) return;
  const { label, detail, children = [], isMuted = false } = node;
  const colour = inherited ?? colourOf(label);
  const box = shrunk(place);
  const words = [sizeText(node.sizeBytes), detail].filter((each) => each !== "").join(", ");
  const isParent =
    children.length > 0 && place.width * place.height > leastParentArea && box.height > 3 * headHeight;
  const colourClass = isMuted ? "muted" : isParent ? `p c${colour}` : `c${colour}`;
  parts.push(
    `<g><title>${escapeXml(`${label}: ${words}`)}</title>`,
    `<rect class="${colourClass}" ${attributes(box)}/>`,
    text(label, words, box, isParent),
    "</g>",
  );
  if (!isParent) return;
  const inner = {
    x: box.x + gap,
    y: box.y + headHeight,
    width: box.width - 2 * gap,
    height: box.height - headHeight - gap,
  };
  // The image's own files are frames around what has colours.
  drawChildren(
    children,
    inner,
    inherited === undefined && children.some((each) => each.children !== undefined) ? undefined : colour,
    parts,
  );
}

function text(label: string, words: string, box: Rectangle, isParent: boolean): string {
  const fits = Math.floor((box.width - 8) / characterWidth);
  if (fits < leastCharacters || box.height < 14) return "";
  // A whole path is in the box's title: in the box the file's own name says most.
  const name = label.slice(label.lastIndexOf("/") + 1);
  const first = isParent ? `${label}  ${words}` : name;
  const lines = [cut(first, fits)];
  if (!isParent && box.height >= 30) lines.push(cut(words, fits));
  return lines
    .map(
      (line, index) =>
        `<text x="${number(box.x + 4)}" y="${number(box.y + 12 + 13 * index)}">${escapeXml(line)}</text>`,
    )
    .join("");
}

function cut(words: string, characters: number): string {
  const all = Array.from(words);
  return all.length <= characters ? words : `${all.slice(0, characters - 1).join("")}…`;
}

function shrunk({ x, y, width: w, height: h }: Rectangle): Rectangle {
  const border = Math.min(1, w / 4, h / 4);
  return { x: x + border / 2, y: y + border / 2, width: w - border, height: h - border };
}

function attributes({ x, y, width: w, height: h }: Rectangle): string {
  return `x="${number(x)}" y="${number(y)}" width="${number(w)}" height="${number(h)}"`;
}

function number(value: number): string {
  return `${Math.round(value * 100) / 100}`;
}

function sizeText(sizeBytes: number): string {
  return sizeBytes >= 1e6
    ? `${(sizeBytes / 1e6).toFixed(1)} MB`
    : `${(sizeBytes / 1e3).toFixed(sizeBytes >= 1e4 ? 0 : 1)} kB`;
}

function colourOf(label: string): number {
  return (createHash("sha256").update(label).digest()[0] ?? 0) % light.length;
}

function style(): string {
  const fills = (colours: readonly string[]): string =>
    colours.map((colour, index) => `.c${index}{fill:${colour}}`).join("");
  return `text{font:11px system-ui,sans-serif;fill:#1a1a1a;pointer-events:none}.title{font-size:17px;font-weight:600}.ground{fill:#fff}rect{stroke:#fff;stroke-width:.5}.p{fill-opacity:.55}.muted{fill:#e4e4e4}${fills(light)}
@media (prefers-color-scheme:dark){text{fill:#f0f0f0}.ground{fill:#16181d}rect{stroke:#16181d}.muted{fill:#3a3d44}${fills(dark)}}`;
}
