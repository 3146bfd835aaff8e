// YAML that a person writes, held against a schema: each mistake with its line and column, what is allowed there and the
// nearest thing that exists.

import { KelpieError } from "@kelpie/platform";
import { type Document, isMap, isNode, isScalar, LineCounter, parseDocument, type ScalarTag } from "yaml";
import { z } from "zod";
import { suggest } from "./suggest.ts";

/** YAML 1.2 reads 0755 as seven hundred and fifty-five. Kept as text, it is what the person meant. */
const leadingZero: ScalarTag = {
  tag: "tag:yaml.org,2002:str",
  default: true,
  test: /^0[0-7]+$/,
  resolve: (text) => text,
};

/**
 * Parses and validates.
 *
 * @param what for messages: "spec".
 * @param where the file's name for messages.
 * @throws KelpieError `invalid-input` with file:line:column, what is allowed and the nearest thing that exists.
 */
export function parseCheckedYaml<T>(schema: z.ZodType<T>, text: string, what: string, where: string): T {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, {
    lineCounter,
    prettyErrors: false,
    logLevel: "error",
    customTags: (tags) => [leadingZero, ...tags],
  });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) {
    throw new KelpieError("invalid-input", `The ${what} is not valid YAML`, {
      where: place(where, lineCounter, problem.pos[0]),
      found: problem.message,
    });
  }
  const result = schema.safeParse(valueOf(document, what, where));
  if (result.success) return result.data;
  const issues = result.error.issues.map(innermost);
  throw describe(issues, { document, lines: lineCounter, schema, what, where });
}

/** What a message is about. */
interface Subject {
  readonly document: Document;
  readonly lines: LineCounter;
  readonly schema: z.ZodType;
  readonly what: string;
  readonly where: string;
}

function valueOf(document: Document, what: string, where: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (cause) {
    throw new KelpieError("invalid-input", `The ${what}'s aliases cannot be followed`, { where, cause });
  }
}

type Issue = z.core.$ZodIssue;

/** Of a union's failures, the one of the alternative that came nearest: the deepest, then the shortest list. */
function innermost(issue: Issue): Issue {
  if (issue.code !== "invalid_union") return issue;
  const branches = issue.errors
    .map((branch) => branch.map(innermost))
    .filter((branch) => branch.length > 0)
    .sort((a, b) => depth(b) - depth(a) || misfit(a) - misfit(b) || a.length - b.length);
  const nearest = branches[0]?.[0];
  return nearest === undefined ? issue : { ...nearest, path: [...issue.path, ...nearest.path] };
}

function depth(branch: readonly Issue[]): number {
  return Math.max(...branch.map((issue) => issue.path.length));
}

/** Alternatives of another type than what was written come last. */
function misfit(branch: readonly Issue[]): number {
  return branch.filter((issue) => issue.code === "invalid_type" && issue.path.length === 0).length;
}

function describe(issues: readonly Issue[], subject: Subject): KelpieError {
  const { document, lines, what, where } = subject;
  const located = issues
    .map((issue) => ({ issue, offset: offsetOf(document, issue) }))
    .sort((a, b) => a.offset - b.offset);
  const messages = located.map(
    ({ issue, offset }) => `${place(where, lines, offset)}: ${explain(issue, subject)}`,
  );
  const [first] = located;
  return new KelpieError("invalid-input", `The ${what} is not as expected`, {
    where: place(where, lines, first?.offset ?? 0),
    found: first === undefined ? "an unknown problem" : explain(first.issue, subject),
    ...(messages.length > 1 ? { help: `All of them:\n${messages.join("\n")}` } : {}),
  });
}

/** Where in the text the issue's value, or for a key that is not allowed the key itself, begins. */
function offsetOf(document: Document, issue: Issue): number {
  for (let length = issue.path.length; length >= 0; length--) {
    const node: unknown = document.getIn(issue.path.slice(0, length), true);
    if (!isNode(node)) continue;
    if (issue.code === "unrecognized_keys" && length === issue.path.length && isMap(node)) {
      const [unknown] = issue.keys;
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === unknown);
      if (pair !== undefined && isNode(pair.key)) return pair.key.range?.[0] ?? 0;
    }
    return node.range?.[0] ?? 0;
  }
  return 0;
}

function explain(issue: Issue, { document, schema }: Subject): string {
  const path = issue.path.map(String).join(".");
  const subject = path === "" ? "" : `${path}: `;
  if (issue.code === "unrecognized_keys") {
    const [key = ""] = issue.keys;
    const allowed = keysAllowedAt(schema, issue.path);
    const nearest = suggest(key, allowed);
    const list = allowed.length === 0 ? "" : `; allowed here: ${allowed.join(", ")}`;
    return `${subject}unknown key ${JSON.stringify(key)}${nearest === undefined ? list : `; did you mean ${JSON.stringify(nearest)}?`}`;
  }
  const allowed = allowedValues(issue).map(String);
  if (allowed.length > 0) {
    const found = String(document.getIn(issue.path));
    const nearest = suggest(found, allowed);
    return `${subject}${JSON.stringify(found)} is not one of ${allowed.join(", ")}${nearest === undefined ? "" : `; did you mean ${JSON.stringify(nearest)}?`}`;
  }
  if (issue.code === "invalid_key") return subject + (issue.issues[0]?.message ?? issue.message);
  return subject + issue.message;
}

/** The few values that would have been right, where the issue is that it is another one. */
function allowedValues(issue: Issue): readonly unknown[] {
  if (issue.code === "invalid_value") return issue.values;
  return issue.code === "invalid_union" && "options" in issue ? (issue.options ?? []) : [];
}

function place(where: string, lines: LineCounter, offset: number): string {
  const { line, col } = lines.linePos(offset);
  return `${where}:${line}:${col}`;
}

/** The keys that a value may have at a path; those of every alternative where there are several. */
export function keysAllowedAt(schema: z.ZodType, path: readonly PropertyKey[]): readonly string[] {
  const json = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  let schemas: readonly unknown[] = alternatives(json);
  for (const step of path) schemas = schemas.flatMap((each) => below(each, step)).flatMap(alternatives);
  return [...new Set(schemas.flatMap((each) => Object.keys(record(record(each)["properties"]))))];
}

function alternatives(schema: unknown): readonly unknown[] {
  const { anyOf, oneOf } = record(schema);
  const choices = [anyOf, oneOf].filter((choice) => Array.isArray(choice)).flat();
  return choices.length === 0 ? [schema] : choices.flatMap(alternatives);
}

function below(schema: unknown, step: PropertyKey): readonly unknown[] {
  const { properties, additionalProperties, items } = record(schema);
  const next = typeof step === "number" ? items : (record(properties)[String(step)] ?? additionalProperties);
  return next === undefined ? [] : [next];
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? Object.fromEntries(Object.entries(value)) : {};
}
