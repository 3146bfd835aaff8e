// docs/json.md and docs/errors.md, from the schemas and the codes themselves.

import { errorCodes } from "@kelpie/platform";
import type { DescribedOutput, JsonSchema } from "./json-schema.ts";

const introduction = `# \`--json\`

Every command that prints data takes \`--json\`. \`kelpie schema COMMAND\` prints the JSON Schema (draft 2020-12) of what comes then,
and \`kelpie schema\` all of them; this page is made from them.

- Standard output holds one value and nothing else, or lines of one value each where it says so; progress and notes go to
  standard error. It is UTF-8. Times are RFC 3339 in UTC, durations and sizes carry their unit in the name (\`Ms\`, \`Bytes\`).
- What is unknown, or was not asked for, is absent: no field is null. Fields marked *optional* can be absent.
- Within one MAJOR version of Kelpie no field goes away or changes its meaning or type; fields, and values of fields that say what
  kind something is, are only added. So leave alone what you do not know.
- Exit codes are those without \`--json\`. A command that fails prints the value of [Errors](#errors) instead, on standard output; one
  that did part of its work says so in its own value, or in lines before.
- Commands whose output is not Kelpie's own have no \`--json\`: \`run\`, \`shell\`, \`sandbox shell\`, \`attach\` and \`logs\`, \`completion\`,
  \`mcp\`, and \`sandbox exec\` but for \`--detach\`.
`;

/** docs/json.md. */
export function jsonReference(outputs: readonly DescribedOutput[], error: JsonSchema): string {
  const alike = Map.groupBy(outputs, ({ schema }) => JSON.stringify(schema));
  const sections = [...alike.values()].map((group) => section(group));
  const errors = `## Errors\n${fieldTable(untitled(error))}\nThe codes are in [errors.md](errors.md).\n`;
  return [introduction, ...sections, errors].join("\n");
}

/** Commands that print the same. */
function section(group: readonly DescribedOutput[]): string {
  const [first] = group;
  if (first === undefined) return "";
  const title = group.map(({ path }) => `kelpie ${path}`).join(", ");
  const words = group.map(({ summary }) => `${summary}.`).join(" ");
  return `## ${title}\n${words}${first.isLines ? " Lines of JSON, each:" : ""}\n\n${fieldTable(first.schema)}`;
}

/** docs/errors.md. */
export function errorReference(): string {
  const rows = Object.entries(errorCodes).map(
    ([code, { exitCode, meaning }]) => `| \`${code}\` | ${meaning} | ${exitCode} |\n`,
  );
  return `# Errors

What Kelpie foresees has a code, for programs, and words for people: what failed, what was expected and found, where, and the way
out. It is a \`KelpieError\` of \`@kelpie/platform\` in the [library](sdk.md), and \`error\` under [\`--json\`](json.md#errors). No code
goes away within one MAJOR version; codes may be added.

| code | what | exit code of \`kelpie\` |
|---|---|---|
${rows.join("")}
\`kelpie run\`, \`shell\` and \`sandbox exec\`, \`shell\` and \`attach\` exit as the guest's command does, and with 125 for any of these but
\`usage\`.
`;
}

/** A row for each field, those of fields below it. */
function fieldTable(schema: JsonSchema): string {
  const rows = fields(schema, "").map(([name, is, words]) => `| \`${name}\` | ${is} | ${words} |\n`);
  return `| field | is | |\n|---|---|---|\n${rows.join("")}`;
}

/** The one place where what stands behind the title is told. */
function untitled(schema: JsonSchema): JsonSchema {
  const { title: _title, ...error } = schema.properties?.["error"] as JsonSchema;
  return { ...schema, properties: { error } };
}

type Row = readonly [name: string, is: string, words: string];

function fields(schema: JsonSchema, prefix: string): Row[] {
  const { properties = {}, required = [] } = schema;
  return Object.entries(properties).flatMap(([name, value]) => {
    const field = value as JsonSchema;
    const words = [required.includes(name) ? "" : "*optional*", field.description ?? ""];
    return fieldRows(`${prefix}${name}`, field, words.filter((word) => word !== "").join(": "));
  });
}

function fieldRows(name: string, field: JsonSchema, words: string): Row[] {
  if (field.type === "array") {
    const items = field.items as JsonSchema;
    return items.type === "object"
      ? [[name, "list", words], ...fields(items, `${name}[].`)]
      : [[name, `list of ${typeOf(items)}`, words]];
  }
  if (field.title !== undefined) return [[name, `as \`error\` of [Errors](#errors)`, words]];
  if (field.type === "object") {
    const below = fields(field, `${name}.`);
    return words === "" && below.length > 0 ? below : [[name, typeOf(field), words], ...below];
  }
  return [[name, typeOf(field), words]];
}

function typeOf(schema: JsonSchema): string {
  const { type, enum: values, const: only, format, additionalProperties } = schema;
  if (values !== undefined) return values.map((value) => `\`${String(value)}\``).join(", ");
  if (only !== undefined) return `\`${String(only)}\``;
  if (format === "date-time") return "time";
  if (type === "object" && typeof additionalProperties === "object" && "type" in additionalProperties) {
    return `${typeOf(additionalProperties)} by name`;
  }
  return String(type ?? "anything");
}
