// The keys of KELPIE_HOME/keys: `<name>.pub` for everybody's, `<name>.key` beside it for one's own.

import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { join } from "node:path";
import { KelpieError, type Platform, readTextIfPresent, writeFileAtomic } from "@kelpie/platform";
import { checkKeyType, parsePublicKey, trustedKey, type TrustedKey } from "./dsse.ts";

const maxKeyBytes = 16 << 10;
/** PKCS#8 of an ed25519 key, up to its 32 bytes (RFC 8410). */
const pkcs8Front = Buffer.from("302e020100300506032b657004220420", "hex");

/** A key of the keyring. */
export interface StoredKey extends TrustedKey {
  readonly name: string;
  readonly hasPrivateKey: boolean;
  /** The public key's text. */
  readonly pem: string;
}

/** The keys of one KELPIE_HOME. */
export class Keyring {
  readonly #platform: Platform;
  readonly #directory: string;

  constructor(platform: Platform, home: string) {
    this.#platform = platform;
    this.#directory = join(home, "keys");
  }

  /** All keys by name. */
  async list(): Promise<readonly StoredKey[]> {
    const { files } = this.#platform;
    if ((await files.stat(this.#directory)) === undefined) return [];
    const names = (await files.list(this.#directory)).filter((name) => name.endsWith(".pub"));
    return await Promise.all(names.map((name) => this.get(name.slice(0, -".pub".length))));
  }

  /** @throws KelpieError `not-found`, `malformed`. */
  async get(name: string): Promise<StoredKey> {
    const { files } = this.#platform;
    const path = this.#path(name, "pub");
    const pem = await readTextIfPresent(files, path, maxKeyBytes);
    if (pem === undefined) {
      throw new KelpieError("not-found", `There is no key ${JSON.stringify(name)}`, {
        where: this.#directory,
        help: "Make one by `kelpie keys generate`, or import one by `kelpie keys import`.",
      });
    }
    const hasPrivateKey = (await files.stat(this.#path(name, "key"))) !== undefined;
    return { ...trustedKey(parsePublicKey(pem, path)), name, hasPrivateKey, pem };
  }

  /** Makes a key pair. @throws KelpieError `already-exists`. */
  async generate(name: string, passphrase: string | undefined): Promise<StoredKey> {
    const seed = this.#platform.random.bytes(32);
    const der = Buffer.concat([pkcs8Front, seed]);
    return await this.#add(name, createPrivateKey({ key: der, format: "der", type: "pkcs8" }), passphrase);
  }

  /**
   * Takes over a key pair, or a public key, from PEM.
   *
   * @throws KelpieError `already-exists`, `malformed`, `permission-denied` for a passphrase that does not fit.
   */
  async import(name: string, pem: string, passphrase: string | undefined): Promise<StoredKey> {
    const key = pem.includes("PRIVATE KEY")
      ? parsePrivateKey(pem, passphrase, name)
      : parsePublicKey(pem, name);
    return await this.#add(name, key, passphrase);
  }

  /** @throws KelpieError `not-found`. */
  async remove(name: string): Promise<void> {
    await this.get(name);
    await this.#platform.files.remove(this.#path(name, "key"));
    await this.#platform.files.remove(this.#path(name, "pub"));
  }

  /** What signs. @throws KelpieError `not-found`, `permission-denied` where the passphrase does not fit or others may read. */
  async signer(name: string, passphrase: string | undefined): Promise<{ id: string; privateKey: KeyObject }> {
    const { files } = this.#platform;
    const { id } = await this.get(name);
    const path = this.#path(name, "key");
    const status = await files.stat(path);
    if (status === undefined)
      throw new KelpieError("not-found", `Only the public half of ${JSON.stringify(name)} is here`, {
        where: path,
      });
    if ((status.mode & 0o077) !== 0) {
      throw new KelpieError("permission-denied", "Others can read a private key", {
        expected: "mode 0600",
        found: `mode 0${status.mode.toString(8)}`,
        where: path,
        help: `Run \`chmod 600 ${path}\`, or make another key if others have seen it.`,
      });
    }
    const pem = new TextDecoder().decode(await files.readFile(path, maxKeyBytes));
    return { id, privateKey: parsePrivateKey(pem, passphrase, path) };
  }

  async #add(name: string, key: KeyObject, passphrase: string | undefined): Promise<StoredKey> {
    const { files } = this.#platform;
    const [publicPath, privatePath] = [this.#path(name, "pub"), this.#path(name, "key")];
    await files.makeDirectory(this.#directory, 0o700);
    if ((await files.stat(publicPath)) !== undefined || (await files.stat(privatePath)) !== undefined)
      throw new KelpieError("already-exists", `There is a key ${JSON.stringify(name)} already`, {
        where: publicPath,
      });
    if (key.type === "private")
      await writeFileAtomic(this.#platform, privatePath, privatePem(key, passphrase), 0o600);
    const publicKey = key.type === "private" ? createPublicKey(key) : key;
    await writeFileAtomic(this.#platform, publicPath, publicKey.export({ format: "pem", type: "spki" }));
    return await this.get(name);
  }

  #path(name: string, ending: "pub" | "key"): string {
    if (/^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/.test(name)) return join(this.#directory, `${name}.${ending}`);
    throw new KelpieError("usage", "This cannot be the name of a key", {
      expected: "up to 64 letters, digits, dots, hyphens and underscores",
      found: JSON.stringify(name.slice(0, 100)),
    });
  }
}

function privatePem(key: KeyObject, passphrase: string | undefined): string | Uint8Array {
  const pkcs8 = { format: "pem", type: "pkcs8" } as const;
  return key.export(passphrase === undefined ? pkcs8 : { ...pkcs8, cipher: "aes-256-cbc", passphrase });
}

function parsePrivateKey(pem: string, passphrase: string | undefined, where: string): KeyObject {
  try {
    const key = createPrivateKey(passphrase === undefined ? pem : { key: pem, passphrase });
    return checkKeyType(key, where);
  } catch (cause) {
    if (KelpieError.is(cause)) throw cause;
    const isEncrypted = pem.includes("ENCRYPTED");
    throw new KelpieError(isEncrypted ? "permission-denied" : "malformed", "A private key cannot be opened", {
      where,
      cause,
      ...(isEncrypted ? { help: "Give its passphrase by KELPIE_KEY_PASSPHRASE." } : {}),
    });
  }
}
