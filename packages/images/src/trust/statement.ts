// What a signature of Kelpie says: an in-toto Statement whose subjects are digests.

import { z } from "zod";
import { parseJsonAs } from "../json/parse-json-as.ts";

export const statementPayloadType = "application/vnd.in-toto+json";

const statementType = "https://in-toto.io/Statement/v1";
/** "Somebody vouches for this": there is nothing more to it than its subjects. */
const predicateType = "https://kelpie.dev/signature/v1";

const digests = z.record(z.string().max(64), z.string().max(256));
const schema = z.looseObject({
  _type: z.string().max(200),
  subject: z.array(z.looseObject({ name: z.string().max(1024).optional(), digest: digests })).max(1024),
  predicateType: z.string().max(200),
});

/** One thing that is vouched for. */
export interface Subject {
  /** For people: a reference, or a file's name. */
  readonly name: string;
  /** In hexadecimal. */
  readonly sha256: string;
}

/** The bytes of a statement: the same for the same subject. */
export function statementBytes({ name, sha256 }: Subject): Uint8Array {
  const statement = {
    _type: statementType,
    subject: [{ name, digest: { sha256 } }],
    predicateType,
    predicate: {},
  };
  return new TextEncoder().encode(JSON.stringify(statement));
}

/**
 * Whether a signed statement vouches for content of this digest. Provenance, too, is a statement with subjects, and says
 * only where something comes from: by a key, only the statement for signatures counts.
 *
 * @throws KelpieError `malformed`.
 */
export function vouchesFor(payload: Uint8Array, sha256: string, where: string): boolean {
  const statement = parseJsonAs(schema, payload, "A signed statement is not as expected", where);
  return (
    statement._type === statementType &&
    statement.predicateType === predicateType &&
    hasSubject(statement.subject, sha256)
  );
}

/** Whether any in-toto statement is about content of this digest. @throws KelpieError `malformed`. */
export function isAbout(payload: Uint8Array, sha256: string, where: string): boolean {
  const statement = parseJsonAs(schema, payload, "A signed statement is not as expected", where);
  return statement._type.startsWith("https://in-toto.io/Statement/") && hasSubject(statement.subject, sha256);
}

function hasSubject(subjects: z.infer<typeof schema>["subject"], sha256: string): boolean {
  return subjects.some(({ digest }) => digest["sha256"] === sha256);
}
