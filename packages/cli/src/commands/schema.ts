// kelpie schema

import { KelpieError } from "@kelpie/platform";
import { command } from "../command.ts";
import { jsonText } from "../output/json.ts";
import { describedOutputs, errorJsonSchema, type JsonSchema } from "../json/json-schema.ts";
import { commands } from "./index.ts";

const $schema = "https://json-schema.org/draft/2020-12/schema";

export const schema = command({
  withoutHome: true,
  positionals: "[COMMAND…]",
  options: {},
  details:
    "COMMAND is as typed after kelpie (images list), or `error` for what any command prints where it fails; without one, all of\nthem stand under $defs. docs/json.md says what holds for all.",
  async run({ terminal }, { positionals }) {
    const path = positionals.join(" ");
    const outputs = await describedOutputs(commands);
    const schemas = new Map([
      ...outputs.map((each) => [each.path, each.schema] as const),
      ["error", errorJsonSchema()],
    ]);
    const found: JsonSchema | undefined =
      path === "" ? { $schema, $defs: Object.fromEntries(schemas) } : schemas.get(path);
    if (found === undefined) {
      throw new KelpieError("usage", "There is no command of that name that prints JSON", {
        found: JSON.stringify(path),
        help: `These do:\n${[...schemas.keys()].join("\n")}`,
      });
    }
    terminal.stdout.write(jsonText<JsonSchema>(found));
    return 0;
  },
});
