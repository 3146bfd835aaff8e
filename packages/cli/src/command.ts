// What a command of the command line is.

import type { Platform, Terminal } from "@kelpie/platform";
import type { Installation } from "./installation.ts";
import type { JsonShape } from "./json/json-of.ts";

/** An option as a person types it and as help shows it. */
export interface OptionSpec {
  readonly type: "string" | "boolean";
  readonly short?: string;
  /** Whether a `string` option may be given any number of times: its value is a list. */
  readonly multiple?: true;
  /** What stands for the value in help: "ARCH". */
  readonly value?: string;
  readonly help: string;
}

export type OptionSpecs = Readonly<Record<string, OptionSpec>>;

/** What was given for each option: text, or a list of texts, for `string` options, true for `boolean` ones. */
export type OptionValues<O extends OptionSpecs> = {
  readonly [K in keyof O]?: O[K]["type"] extends "boolean"
    ? boolean
    : O[K] extends { readonly multiple: true }
      ? readonly string[]
      : string;
};

/** What every command gets. */
export interface CommandContext {
  readonly platform: Platform;
  readonly terminal: Terminal;
  readonly installation: Installation;
  /** KELPIE_HOME. */
  readonly home: string;
  readonly signal: AbortSignal;
}

export interface CommandInput<O extends OptionSpecs> {
  readonly options: OptionValues<O>;
  readonly positionals: readonly string[];
  /** Whether --json was given, to a command that has it. */
  readonly json: boolean;
}

export interface Command<O extends OptionSpecs = OptionSpecs> {
  /** What follows the command's name and options in the usage line: "-- COMMAND [ARG…]". */
  readonly positionals?: string;
  /** Whether everything after the first positional belongs to it, options included. */
  readonly passThrough?: boolean;
  readonly options: O;
  /** What it prints with --json, which it has if this is there. */
  readonly json?: () => Promise<JsonShape>;
  /** More help, printed below the options. */
  readonly details?: string;
  /** The exit code for an error that Kelpie foresaw, where it is not the code's own. */
  readonly errorExitCode?: number;
  /** Whether it does its work where KELPIE_HOME cannot be used, too. */
  readonly withoutHome?: true;
  run(context: CommandContext, input: CommandInput<O>): Promise<number>;
}

/** A command in the list of all commands. What it does is loaded when it is run, so that none pays for the others. */
export interface CommandEntry {
  /** As typed: ["images", "list"]. */
  readonly path: readonly string[];
  readonly summary: string;
  load(): Promise<Command>;
}

/** Of every command that prints data. */
export const jsonOption: OptionSpec = { type: "boolean", help: "Print JSON, as docs/json.md says" };

/** Gives a command's options their types, and forgets them for the list of all commands. */
export function command<const O extends OptionSpecs>(definition: Command<O>): Command {
  return {
    ...definition,
    options: definition.json === undefined ? definition.options : { ...definition.options, json: jsonOption },
    run: (context, input) => definition.run(context, input as CommandInput<O>),
  };
}
