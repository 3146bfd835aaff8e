// The type of what is printed by a schema.

import type { z } from "zod";

/** What a schema describes, as a value that is only read. */
export type JsonOf<S extends z.ZodType> = DeepReadonly<z.infer<S>>;

type DeepReadonly<T> = T extends readonly (infer Element)[]
  ? readonly DeepReadonly<Element>[]
  : T extends object
    ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
    : T;

/** A module that describes what a command prints. */
export interface JsonShape {
  readonly schema: z.ZodType;
  /** Whether it prints any number of such values, each a line of its own. */
  readonly isLines?: true;
}
