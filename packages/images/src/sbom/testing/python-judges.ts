// Judges that come from PyPI: where tools/test/setup.ts puts them, and how a test runs one.

import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** Their directory, a PYTHONPATH. */
export function pythonJudges(): string {
  return join(process.env["KELPIE_HOME"] ?? join(homedir(), ".kelpie"), "cache/judges/python");
}

/** Why the judges cannot be asked; false where they can. */
export function withoutPythonJudges(): string | false {
  return existsSync(join(pythonJudges(), "spdx_tools"))
    ? false
    : "no spdx-tools are installed (tools/test/setup.ts)";
}

/** The JSON Schema of SPDX 2.3, as its own project publishes it. */
export function spdxJsonSchema(): string {
  return join(pythonJudges(), "lib4sbom/schemas/spdx/2.3-schema.json");
}

const validate = `
import sys
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document
for message in validate_full_spdx_document(parse_file(sys.argv[1])):
    print(message.validation_message)
`;

/** What spdx-tools, SPDX's own library, finds wrong with a document; it throws for one that cannot be parsed. */
export function spdxComplaints(path: string): readonly string[] {
  const text = execFileSync("python3", ["-c", validate, path], {
    encoding: "utf8",
    env: { ...process.env, PYTHONPATH: pythonJudges() },
    stdio: ["ignore", "pipe", "pipe"],
  });
  return text.split("\n").filter((line) => line !== "");
}
