// What a command prints under --json where it fails.

import { z } from "zod";
import type { JsonOf } from "./json-of.ts";

/** A KelpieError as its toJSON gives it. */
export const kelpieError = z
  .object({
    code: z.string().describe("what kind of failure it is; errors.md has them all"),
    message: z.string().describe("what failed"),
    expected: z.string().optional().describe("what would have been right"),
    found: z.string().optional().describe("what was there instead"),
    where: z.string().optional().describe("a file, a URL, a package"),
    help: z.string().optional().describe("what to do about it"),
    cause: z.string().optional().describe("the message of the error underneath"),
  })
  .meta({ title: "KelpieError" });

export const schema = z.object({ error: kelpieError });

export type ErrorJson = JsonOf<typeof schema>;
