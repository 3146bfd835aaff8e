// What machine and which person this is.

/** Architectures as Kelpie names them outside; the kernel's and Alpine's own names stay at their edges. */
export type Architecture = "amd64" | "arm64";

export const architectures: readonly Architecture[] = ["amd64", "arm64"];

export interface Host {
  readonly operatingSystem: "linux" | "darwin" | "other";
  /** Undefined on a machine that Kelpie makes no images for. */
  readonly architecture: Architecture | undefined;
  readonly cpuCount: number;
  readonly memoryBytes: number;
  readonly homeDirectory: string;
  readonly workingDirectory: string;
  readonly pid: number;
  /** The program that runs us: an absolute path of Node.js. */
  readonly program: string;
  /** 0 for root. */
  readonly uid: number;
  readonly gid: number;
  readonly environment: Readonly<Record<string, string | undefined>>;
}
