// What the doctor says of one thing.

/** `ok`, `limited`: something works less well or not at all, `broken`: no sandbox can run. */
export type Verdict = "ok" | "limited" | "broken";

export interface Finding {
  readonly subject: string;
  readonly verdict: Verdict;
  /** What is here, or what is not. */
  readonly found: string;
  /** What a person cannot do, or does more slowly, because of it. */
  readonly cost?: string;
  /** A command, or a sentence, that changes it. */
  readonly fix?: string;
}

const marks: Readonly<Record<Verdict, string>> = { ok: "ok", limited: "limited", broken: "BROKEN" };

/** Findings for people: a line each, and below it what it costs and what to do. */
export function formatFindings(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ subject }) => subject.length));
  const indent = " ".repeat(marks.limited.length + 2);
  return findings
    .map(({ subject, verdict, found, cost, fix }) =>
      [
        `${marks[verdict].padEnd(marks.limited.length)}  ${subject.padEnd(width)}  ${found}`,
        ...(cost === undefined ? [] : [`${indent}costs: ${cost}`]),
        ...(fix === undefined ? [] : [`${indent}to change that: ${fix}`]),
      ].join("\n"),
    )
    .join("\n")
    .concat("\n");
}
