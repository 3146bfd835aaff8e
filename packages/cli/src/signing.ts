// The key that a command signs with.

import { Keyring, type Signer } from "@kelpie/images";
import type { CommandContext, OptionSpec } from "./command.ts";

/** For commands that can sign what they send or write. */
export const signOption = {
  type: "string",
  value: "KEY",
  help: "Sign with this key of `kelpie keys list` (KELPIE_KEY_PASSPHRASE opens it)",
} as const satisfies OptionSpec;

/** The passphrase of the environment; undefined where there is none. */
export function keyPassphrase({ platform }: CommandContext): string | undefined {
  const passphrase = platform.host.environment["KELPIE_KEY_PASSPHRASE"] ?? "";
  return passphrase === "" ? undefined : passphrase;
}

/** @throws KelpieError `not-found`, `permission-denied`. */
export async function signerFor(
  context: CommandContext,
  name: string | undefined,
): Promise<Signer | undefined> {
  if (name === undefined) return undefined;
  return await new Keyring(context.platform, context.home).signer(name, keyPassphrase(context));
}
