// What an install script would have done, as data: the vocabulary of the table of known packages and of a spec's `scripts`.

import { z } from "zod";

const path = z
  .string()
  .regex(/^\/[^\0]*$/, "an absolute path in the image")
  .max(4095);
const accountName = z.string().regex(/^[a-z_][a-z0-9_.-]{0,31}$/, "a user or group name");
const id = z.number().int().min(0).max(4_294_967_294);
/** In octal, as chmod takes it. Text, since YAML reads a bare 0755 as either of two numbers. */
export const octalMode = z.string().regex(/^0?[0-7]{3,4}$/, 'a mode in octal, such as "0755"');

const owned = { owner: accountName.optional(), group: accountName.optional(), mode: octalMode.optional() };

/**
 * One effect. Paths are followed through the image's own symlinks. None of them replaces what a package installed
 * unless it says so.
 */
export const effectSchema = z.discriminatedUnion("do", [
  z.strictObject({ do: z.literal("group"), name: accountName, gid: id.optional() }),
  z.strictObject({
    do: z.literal("user"),
    name: accountName,
    uid: id.optional(),
    group: accountName.optional(),
    home: path.optional(),
    shell: path.optional(),
    comment: z.string().max(200).optional(),
  }),
  z.strictObject({ do: z.literal("member"), user: accountName, group: accountName }),
  /** An empty directory, if nothing stands there. */
  z.strictObject({ do: z.literal("directory"), path, ...owned }),
  /** A file with this content, if nothing stands there. */
  z.strictObject({ do: z.literal("file"), path, content: z.string().max(1 << 20), ...owned }),
  /** A copy of another file of the image, if nothing stands there. */
  z.strictObject({ do: z.literal("copy"), from: path, to: path, ...owned }),
  /** A symlink; over another symlink or an empty directory only with `replace`. */
  z.strictObject({
    do: z.literal("link"),
    path,
    target: z.string().min(1).max(4095),
    replace: z.boolean().optional(),
  }),
  /** Changes owner, group or mode of what is there. */
  z.strictObject({ do: z.literal("chmod"), path, ...owned }),
  /** A candidate for a name that several packages offer; the highest priority wins. */
  z.strictObject({
    do: z.literal("alternative"),
    link: path,
    name: z.string().min(1).max(255),
    path,
    priority: z.number().int(),
    slaves: z
      .array(z.strictObject({ link: path, name: z.string().min(1).max(255), path }))
      .max(200)
      .optional(),
  }),
  /** A login shell for /etc/shells. */
  z.strictObject({ do: z.literal("shell"), path }),
  /** The login shells that the files of a directory list, for /etc/shells. */
  z.strictObject({ do: z.literal("shells"), directory: path }),
  /** Links for every applet of a busybox executable, where no package installed that command. */
  z.strictObject({ do: z.literal("applets"), binary: path }),
  /** /etc/ssl/certs/ca-certificates.crt and the hashed links, from /usr/share/ca-certificates and /usr/local/share. */
  z.strictObject({ do: z.literal("ca-certificates") }),
]);

export type Effect = z.infer<typeof effectSchema>;
export type EffectOf<Kind extends Effect["do"]> = Extract<Effect, { do: Kind }>;
