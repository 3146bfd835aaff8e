// Where the time of a boot went: the host's, the kernel's and each step's share, on one time line.

import { escapeXml } from "@kelpie/formats";

/** A step of the guest's trace: its name, and when it ended on the guest's clock, which starts with the kernel. */
export interface TracedStep {
  readonly name: string;
  readonly endMs: number;
}

/** A boot as it was measured. */
export interface MeasuredBoot {
  readonly steps: readonly TracedStep[];
  /** From the start of the monitor until the guest was asked for its time. */
  readonly totalMs: number;
  /** The guest's clock when it was asked. */
  readonly guestNowMs: number;
}

/** A bar: from and to in milliseconds since the host began. */
export interface Bar {
  readonly name: string;
  readonly startMs: number;
  readonly endMs: number;
}

/** The bars in the order of time. They touch each other, and cover all of `totalMs`. */
export function barsOf({ steps, totalMs, guestNowMs }: MeasuredBoot): Bar[] {
  // The two clocks meet where the guest was asked: what passed before the kernel's first instant is the host's.
  const kernelStartMs = Math.max(0, totalMs - guestNowMs);
  const bars: Bar[] = [{ name: "virtual machine", startMs: 0, endMs: kernelStartMs }];
  let startMs = kernelStartMs;
  for (const [index, { name, endMs }] of steps.entries()) {
    const end = Math.min(totalMs, Math.max(startMs, kernelStartMs + endMs));
    // The initrd's first mark is where the kernel's own part ends.
    bars.push({ name: index === 0 ? "kernel" : name, startMs, endMs: end });
    startMs = end;
  }
  return [...bars, { name: "first answer", startMs, endMs: totalMs }];
}

const tableWidth = 40;

/** The bars as lines of text. */
export function chartText(bars: readonly Bar[]): string {
  const totalMs = bars.at(-1)?.endMs ?? 0;
  const nameWidth = Math.max(...bars.map(({ name }) => name.length));
  const column = (ms: number): number => (totalMs === 0 ? 0 : Math.round((ms / totalMs) * tableWidth));
  const lines = bars.map(({ name, startMs, endMs }) => {
    const start = column(startMs);
    const bar = "█".repeat(Math.max(1, column(endMs) - start));
    const times = `${duration(endMs - startMs)}  ${duration(endMs)}`;
    return `${name.padEnd(nameWidth)}  ${times}  ${" ".repeat(Math.min(start, tableWidth - 1))}${bar}`;
  });
  return `${[`${"STEP".padEnd(nameWidth)}  ${"TOOK".padStart(9)}  ${"UNTIL".padStart(9)}`, ...lines].join("\n")}\n`;
}

function duration(ms: number): string {
  return `${ms.toFixed(0)} ms`.padStart(9);
}

const rowHeight = 26;
const labelWidth = 150;
const chartWidth = 700;
const margin = 16;

/** The bars as a picture that a browser shows; readable on a light and on a dark page. */
export function chartSvg(title: string, bars: readonly Bar[]): string {
  const totalMs = Math.max(1, bars.at(-1)?.endMs ?? 1);
  const height = 2 * margin + rowHeight * (bars.length + 1);
  const width = 2 * margin + labelWidth + chartWidth + 80;
  const left = margin + labelWidth;
  const x = (ms: number): string => (left + (ms / totalMs) * chartWidth).toFixed(1);
  const rows = bars.map(({ name, startMs, endMs }, index) => {
    const top = margin + rowHeight * (index + 1);
    const barWidth = Math.max(1, ((endMs - startMs) / totalMs) * chartWidth).toFixed(1);
    return [
      `  <text class="label" x="${left - 10}" y="${top + 16}" text-anchor="end">${escapeXml(name)}</text>`,
      `  <rect x="${x(startMs)}" y="${top + 3}" width="${barWidth}" height="${rowHeight - 6}" rx="3"/>`,
      `  <text class="label" x="${(Number(x(startMs)) + Number(barWidth) + 6).toFixed(1)}" y="${top + 16}">${(endMs - startMs).toFixed(0)} ms</text>`,
    ].join("\n");
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
  <style>
    text { font: 13px system-ui, sans-serif; fill: #24292f }
    rect { fill: #2f81b7 }
    @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } rect { fill: #58a6d8 } }
  </style>
  <text x="${margin}" y="${margin + 12}" font-weight="600">${escapeXml(title)}: ${totalMs.toFixed(0)} ms</text>
${rows.join("\n")}
</svg>
`;
}
