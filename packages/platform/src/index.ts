// The outside world behind small interfaces: one real implementation, one simulated.

export type { Clock, Deadline } from "./clock.ts";
export {
  describeError,
  errorCodes,
  KelpieError,
  type KelpieErrorCode,
  type KelpieErrorDetails,
  type KelpieErrorJson,
} from "./errors.ts";
export {
  acquireAnyFileLock,
  acquireFileLock,
  type FileLock,
  type FileLockOptions,
  type LockHolder,
  sweepLock,
} from "./file-lock.ts";
export type { FileHandle, FileKind, Files, FileStatus, OpenMode, TemporaryDirectory } from "./files.ts";
export { type Architecture, architectures, type Host } from "./host.ts";
export { kelpieHome } from "./kelpie-home.ts";
export type { HttpRequest, HttpResponse, Listener, Network, TcpListener, UdpSocket } from "./network.ts";
export type { Platform } from "./platform.ts";
export { hostBootId, identifyProcess, isSameProcessAlive, type ProcessIdentity } from "./process-identity.ts";
export type {
  ChildProcess,
  ChildStream,
  HandedFile,
  LaunchOptions,
  ProcessExit,
  Processes,
  ProcessResult,
  RunOptions,
  SpawnOptions,
} from "./processes.ts";
export { firstHandedDescriptor } from "./processes.ts";
export { type Random, randomHex } from "./random.ts";
export { cancelled } from "./real/clock.ts";
export { realPlatform } from "./real/index.ts";
export { type BareStreams, runBare } from "./real/run-bare.ts";
export { type Main, runMain } from "./real/run-main.ts";
export { runChecked } from "./run-checked.ts";
export type { Terminal, TerminalKeys, TerminalSize } from "./terminal.ts";
export { replaceFile, temporaryFileOwner, writeFileAtomic } from "./write-file-atomic.ts";
export { printable, printableLine } from "./printable.ts";
export { readTextIfPresent } from "./read-text-if-present.ts";
export { tryParseJson } from "./try-parse-json.ts";
