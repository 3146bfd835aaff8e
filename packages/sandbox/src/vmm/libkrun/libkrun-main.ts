// The process that becomes a machine: libkrun takes it over when the machine starts, and ends it with the machine.
//
//   libkrun-main SETTINGS-FILE     says one line of what it came to (child-report.ts); the guest's console follows
//   libkrun-main --find LIBRARY    only tells whether the library can be used

import { flushCompileCache } from "node:module";
import {
  type BareStreams,
  describeError,
  KelpieError,
  realPlatform,
  runBare,
  tryParseJson,
} from "@kelpie/platform";
import { bootPlan, functionsOf, logCall, usualFunctions } from "./boot-plan.ts";
import { type ChildReport, reportLine } from "./child-report.ts";
import { KrunLibrary } from "./krun-library.ts";
import { type KrunSettings, readKrunSettings, settingsLimitBytes } from "./settings.ts";

await runBare(async ([first = "", second = ""], streams) => {
  try {
    if (first === "--find") return report(streams, await find(second));
    const settings = await readSettings(first);
    const library = await KrunLibrary.load(settings.library, functionsOf(settings));
    library.call(logCall, 0);
    const context = library.createContext();
    for (const call of bootPlan(settings)) library.call(call, context);
    // It would be written at an exit that this process never comes to.
    flushCompileCache();
    report(streams, { kind: "entering" });
    return enter(library, context, streams);
  } catch (error) {
    return report(streams, { kind: "failed", error: asKelpieError(error) });
  }
});

function report(streams: BareStreams, said: ChildReport): number {
  streams.out(reportLine(said));
  return said.kind === "failed" ? 1 : 0;
}

/** Comes back only where the machine cannot start; libkrun's own words are on standard error by then. */
function enter(library: KrunLibrary, context: number, streams: BareStreams): number {
  try {
    library.call({ name: "krun_start_enter", args: [] }, context);
  } catch (error) {
    streams.error(`${describeError(error)}\n`);
  }
  return 1;
}

async function find(name: string): Promise<ChildReport> {
  const { file } = await KrunLibrary.load(name, usualFunctions);
  return { kind: "found", file };
}

async function readSettings(path: string): Promise<KrunSettings> {
  const text = await realPlatform.files.readFile(path, settingsLimitBytes);
  const settings = readKrunSettings(tryParseJson(text));
  if (settings === undefined) {
    throw new KelpieError("malformed", "These are no settings of a libkrun machine", { where: path });
  }
  return settings;
}

function asKelpieError(error: unknown): KelpieError {
  if (KelpieError.is(error)) return error;
  return new KelpieError("internal", "A libkrun machine was not started", {
    found: describeError(error),
    cause: error,
  });
}
