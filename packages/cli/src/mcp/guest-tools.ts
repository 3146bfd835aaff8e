// What a model may do in a sandbox.

/** How a command ended, with the ends of what it wrote. */
export interface RunResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Whether it was ended because its time was up. */
  readonly timedOut: boolean;
}

export interface ListedFile {
  readonly name: string;
  readonly kind: "file" | "directory" | "symlink" | "other";
  readonly sizeBytes: number;
}

/** A sandbox, as far as the tools use it. Failures are KelpieErrors. */
export interface GuestTools {
  run(
    command: string,
    options: { readonly timeoutMs: number; readonly signal: AbortSignal },
  ): Promise<RunResult>;
  /** At most `maxBytes` of the file from byte `offset`, and the size of the whole. */
  read(
    path: string,
    part: { readonly offset: number; readonly maxBytes: number; readonly signal: AbortSignal },
  ): Promise<{ readonly bytes: Uint8Array; readonly sizeBytes: number }>;
  /** Makes or replaces the file, and the directories above it. */
  write(path: string, content: Uint8Array, signal: AbortSignal): Promise<void>;
  list(path: string, signal: AbortSignal): Promise<readonly ListedFile[]>;
}
