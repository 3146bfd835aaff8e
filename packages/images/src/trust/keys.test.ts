// A keyring on a real disk.

import assert from "node:assert/strict";
import { createPublicKey, sign, verify } from "node:crypto";
import { chmodSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { KelpieError, type KelpieErrorCode, realPlatform } from "@kelpie/platform";
import { Keyring } from "./keys.ts";

async function withKeyring(body: (keyring: Keyring, directory: string) => Promise<void>): Promise<void> {
  await using home = await realPlatform.files.temporaryDirectory("kelpie-keys-");
  await body(new Keyring(realPlatform, home.path), join(home.path, "keys"));
}

function fails(code: KelpieErrorCode): (error: unknown) => boolean {
  return (error) => KelpieError.is(error) && error.code === code;
}

test("a generated key signs, only its owner can read it, and its public half checks", () =>
  withKeyring(async (keyring, directory) => {
    assert.deepEqual(await keyring.list(), []);
    const { id, pem } = await keyring.generate("release", undefined);
    assert.equal(statSync(join(directory, "release.key")).mode & 0o777, 0o600);
    assert.equal(statSync(directory).mode & 0o777, 0o700);
    const signer = await keyring.signer("release", undefined);
    assert.equal(signer.id, id);
    const signature = sign(undefined, Buffer.from("text"), signer.privateKey);
    assert.ok(verify(undefined, Buffer.from("text"), createPublicKey(pem), signature));
    assert.deepEqual(
      (await keyring.list()).map(({ name, hasPrivateKey }) => [name, hasPrivateKey]),
      [["release", true]],
    );
  }));

test("a key with a passphrase is opened by it and by nothing else", () =>
  withKeyring(async (keyring, directory) => {
    await keyring.generate("release", "correct horse");
    assert.match(readFileSync(join(directory, "release.key"), "utf8"), /BEGIN ENCRYPTED PRIVATE KEY/);
    await keyring.signer("release", "correct horse");
    await assert.rejects(keyring.signer("release", "wrong"), fails("permission-denied"));
    await assert.rejects(keyring.signer("release", undefined), fails("permission-denied"));
  }));

test("keys move as text: a public one checks, a private one signs, and neither takes another's place", () =>
  withKeyring(async (keyring, directory) => {
    const { id, pem } = await keyring.generate("release", undefined);
    const secret = readFileSync(join(directory, "release.key"), "utf8");
    assert.equal((await keyring.import("theirs", pem, undefined)).id, id);
    await assert.rejects(keyring.signer("theirs", undefined), fails("not-found"));
    assert.equal((await keyring.import("mine", secret, undefined)).hasPrivateKey, true);
    await assert.rejects(keyring.import("mine", pem, undefined), fails("already-exists"));
    await assert.rejects(keyring.generate("theirs", undefined), fails("already-exists"));
    await keyring.remove("mine");
    await assert.rejects(keyring.get("mine"), fails("not-found"));
    await keyring.import("mine", pem, undefined);
  }));

test("a private key that others can read signs nothing", () =>
  withKeyring(async (keyring, directory) => {
    await keyring.generate("release", undefined);
    chmodSync(join(directory, "release.key"), 0o644);
    await assert.rejects(keyring.signer("release", undefined), fails("permission-denied"));
  }));

for (const name of ["", "../release", "a/b", ".hidden", "x".repeat(65)]) {
  test(`${JSON.stringify(name.slice(0, 20))} cannot be the name of a key`, () =>
    withKeyring(async (keyring) => {
      await assert.rejects(keyring.generate(name, undefined), fails("usage"));
    }));
}
