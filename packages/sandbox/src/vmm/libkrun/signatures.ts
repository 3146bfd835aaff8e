// The functions of libkrun that a machine takes, as data: their argument types as the published header declares them
// (include/libkrun.h of containers/libkrun, 1.19). Every one returns an int32: zero or more, or a negative errno.

/** A C type; `ctx` is the uint32 that krun_create_ctx returned, `str` a char pointer that may be NULL. */
export type CType = "bool" | "ctx" | "int" | "str" | "uint8" | "uint32" | "uint64";

export const signatures = {
  krun_init_log: ["int", "uint32", "uint32", "uint32"],
  krun_create_ctx: [],
  krun_set_vm_config: ["ctx", "uint8", "uint32"],
  krun_set_kernel: ["ctx", "str", "uint32", "str", "str"],
  krun_add_disk2: ["ctx", "str", "str", "uint32", "bool"],
  krun_disable_implicit_console: ["ctx"],
  krun_add_serial_console_default: ["ctx", "int", "int"],
  krun_disable_implicit_vsock: ["ctx"],
  krun_add_vsock: ["ctx", "uint32"],
  krun_add_vsock_port2: ["ctx", "uint32", "str", "bool"],
  krun_add_virtiofs: ["ctx", "str", "str"],
  krun_add_virtiofs3: ["ctx", "str", "str", "uint64", "bool"],
  krun_start_enter: ["ctx"],
} as const satisfies Readonly<Record<string, readonly CType[]>>;

export type KrunFunction = keyof typeof signatures;

/** What is missing from a library without the function. Where nothing is said, it is older than {@link oldestVersion}. */
export const missingBecause: Readonly<Partial<Record<KrunFunction, string>>> = {
  krun_add_disk2: "it was built without block devices (BLK=1)",
  krun_add_virtiofs3: "it is older than 1.18, the first that shares a directory read only",
};

/**
 * The first libkrun whose vsock device can be had without network. In older ones it always relays the guest's connections
 * to the host's network (TSI), which no sandbox may have unasked.
 */
export const oldestVersion = "1.17";

interface CValues {
  readonly bool: boolean;
  readonly int: number;
  readonly str: string | null;
  readonly uint8: number;
  readonly uint32: number;
  readonly uint64: number;
}

type ValuesOf<Types extends readonly unknown[]> = Types extends readonly ["ctx", ...infer Rest]
  ? ValuesOf<Rest>
  : Types extends readonly [infer First extends keyof CValues, ...infer Rest]
    ? readonly [CValues[First], ...ValuesOf<Rest>]
    : readonly [];

/** A call with its arguments; the context, which most take first, is left out. */
export type KrunCall = {
  readonly [Name in KrunFunction]: {
    readonly name: Name;
    readonly args: ValuesOf<(typeof signatures)[Name]>;
  };
}[KrunFunction];

/** Constants of the header. */
export const krun = {
  logToStderr: 2,
  logLevelWarn: 2,
  logStyleNever: 2,
  logOptionNoEnvironment: 1,
  kernelFormat: { raw: 0, elf: 1 },
  diskFormat: { raw: 0, qcow2: 1 },
  noTsi: 0,
} as const;
