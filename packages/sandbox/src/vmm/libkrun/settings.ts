// What the process that becomes a machine is told, as a file, and the check of it.

import { z } from "zod";

/** More than any machine's settings take. */
export const settingsLimitBytes = 256 << 10;

/** C strings: no zero byte, and a bound. */
const text = (maxCharacters: number): z.ZodString =>
  z
    .string()
    .max(maxCharacters)
    .regex(/^[^\0]*$/);
const path = text(4096).startsWith("/");
const name = text(36).regex(/^[a-z0-9-]+$/);

const schema = z.strictObject({
  /** A path, or a name that the system's loader finds. */
  library: text(4096).min(1),
  cpus: z.int().min(1).max(255),
  memoryMiB: z
    .int()
    .min(16)
    .max(16 << 20),
  kernel: z.strictObject({ path, format: z.enum(["raw", "elf"]) }),
  initrd: path.nullable(),
  commandLine: text(2048),
  /** In the order in which the guest sees them: /dev/vda, /dev/vdb, … */
  disks: z
    .array(z.strictObject({ name, path, format: z.enum(["raw", "qcow2"]), readOnly: z.boolean() }))
    .max(8),
  /** Directories that it shares by virtio-fs, by their tag. */
  directories: z.array(z.strictObject({ tag: name, path, readOnly: z.boolean() })).max(16),
  /** A port on which the guest listens, and the Unix socket that leads to it. */
  vsock: z.strictObject({ port: z.int().min(1).max(0xffff_fffe), socket: text(103).startsWith("/") }),
});

export type KrunSettings = Readonly<z.infer<typeof schema>>;

/** The settings in parsed JSON; undefined where it is something else. */
export function readKrunSettings(value: unknown): KrunSettings | undefined {
  return schema.safeParse(value).data;
}
