// The process of a QEMU that was started here: a child that ends with us, or one under a keeper that does not.

import {
  type ChildProcess,
  identifyProcess,
  type Platform,
  type ProcessExit,
  type ProcessIdentity,
  printable,
} from "@kelpie/platform";
import { ByteTail } from "../byte-tail.ts";
import { ConsoleLog } from "../console-log.ts";
import { keptDiagnosis, keptExit } from "../keeper/kept-files.ts";
import { confirmStart, endKeeper } from "../keeper/keeper.ts";
import type { Diagnosis } from "../vmm.ts";
import { recordConsole } from "./record-console.ts";

const monitorOutputLimitBytes = 16 << 10;
/** What the shell says of a keeper that could not record an end. */
const unknownExit: ProcessExit = { kind: "exited", code: 255 };

/** What a {@link QemuMachine} needs of its process. Disposing it ends the process and waits for that. */
export interface MonitorProcess extends AsyncDisposable {
  /** Resolves when the process is gone and its last words are there; never rejects. */
  readonly exit: Promise<ProcessExit>;
  diagnose(): Promise<Diagnosis>;
  /** Begins to end it, by force. */
  kill(): void;
  /** Confirms to a keeper that the machine is wanted. */
  release(): Promise<void>;
  /** Stops watching a process that goes on without us. */
  forget(): void;
}

/** A child, whose console and words come through pipes. */
export function ownMonitorProcess(
  { files }: Pick<Platform, "files">,
  child: ChildProcess,
  runDirectory: string,
): MonitorProcess {
  const console = new ConsoleLog();
  const words = new ByteTail(monitorOutputLimitBytes);
  child.stderr?.on("data", (bytes: Uint8Array) => words.append(bytes));
  const recorded = recordConsole(files, child, `${runDirectory}/console.log`, console);
  return {
    exit: child.exit.then(async (exit) => {
      await recorded;
      return exit;
    }),
    diagnose: () =>
      Promise.resolve({
        console,
        monitorOutput: printable(Buffer.from(words.bytes()).toString("utf8")).trim(),
      }),
    kill: () => void child.kill("SIGKILL"),
    release: () => Promise.resolve(),
    forget: () => undefined,
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}

/** A process under the keeper with this id. */
export async function keptMonitorProcess(
  platform: Pick<Platform, "clock" | "files" | "processes">,
  keeperPid: number,
  runDirectory: string,
): Promise<MonitorProcess> {
  const { files, processes } = platform;
  const keeper: ProcessIdentity = await identifyProcess(files, keeperPid);
  const watch = new AbortController();
  const exit = processes
    .gone(keeperPid, watch.signal)
    .then(() => keptExit(files, runDirectory))
    .then((found) => found ?? unknownExit)
    .catch(() => unknownExit);
  return {
    exit,
    diagnose: () => keptDiagnosis(files, runDirectory),
    kill: () => void processes.signal(keeperPid, "SIGTERM"),
    release: () => confirmStart(platform, runDirectory, keeper),
    forget: () => watch.abort(),
    async [Symbol.asyncDispose]() {
      await endKeeper(platform, keeper);
      await exit;
    },
  };
}
