// QMP's messages (QEMU Machine Protocol specification): lines of JSON, read with care and no library.

import { KelpieError } from "@kelpie/platform";

/** JSON as `JSON.parse` gives it. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [name: string]: Json;
}

/** Something that happened in QEMU, such as `SHUTDOWN`. */
export interface QmpEvent {
  readonly kind: "event";
  readonly name: string;
  readonly data: JsonObject;
}

/** What QEMU sends. */
export type QmpMessage =
  | { readonly kind: "greeting" }
  | { readonly kind: "return"; readonly id: number; readonly value: Json }
  | { readonly kind: "error"; readonly id: number | undefined; readonly description: string }
  | QmpEvent;

/** One line as a message; `malformed` if it is none. */
export function parseQmpMessage(line: string): QmpMessage {
  const message = parseObject(line);
  if ("QMP" in message) return { kind: "greeting" };
  const id = typeof message["id"] === "number" ? message["id"] : undefined;
  if ("return" in message && id !== undefined)
    return { kind: "return", id, value: message["return"] ?? null };
  if ("error" in message) return { kind: "error", id, description: describe(message["error"]) };
  if (typeof message["event"] === "string") {
    return { kind: "event", name: message["event"], data: asObject(message["data"]) ?? {} };
  }
  throw malformed(line);
}

/** `value` as an object, if it is one. */
export function asObject(value: Json | undefined): JsonObject | undefined {
  return typeof value === "object" && value !== null && !isArray(value) ? value : undefined;
}

// Array.isArray narrows a readonly array to any[].
function isArray(value: readonly Json[] | JsonObject): value is readonly Json[] {
  return Array.isArray(value);
}

function parseObject(line: string): JsonObject {
  let value: Json;
  try {
    value = JSON.parse(line) as Json;
  } catch (cause) {
    throw malformed(line, cause);
  }
  const object = asObject(value);
  if (object === undefined) throw malformed(line);
  return object;
}

function malformed(line: string, cause?: unknown): KelpieError {
  return new KelpieError("malformed", "QEMU sent something that is not QMP", {
    expected: "a greeting, a return, an error or an event",
    found: JSON.stringify(line.slice(0, 200)),
    ...(cause === undefined ? {} : { cause }),
  });
}

function describe(error: Json | undefined): string {
  const description = asObject(error)?.["desc"];
  return typeof description === "string" ? description : JSON.stringify(error);
}
