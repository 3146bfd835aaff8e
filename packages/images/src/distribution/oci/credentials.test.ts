// Logins where docker and podman keep them.

import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { KelpieError, type Platform, realPlatform } from "@kelpie/platform";
import { findCredentials } from "./credentials.ts";

const repository = { host: "ghcr.io", name: "org/kelpie-base" };
const encode = (text: string): string => Buffer.from(text).toString("base64");

async function withHome(
  files: Readonly<Record<string, unknown>>,
  body: (platform: Platform, home: string) => Promise<void>,
  environment: Readonly<Record<string, string>> = {},
): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), "kelpie-logins-"));
  try {
    for (const [path, content] of Object.entries(files)) {
      await mkdir(join(home, path, ".."), { recursive: true });
      await writeFile(join(home, path), typeof content === "string" ? content : JSON.stringify(content));
    }
    await body({ ...realPlatform, host: { ...realPlatform.host, homeDirectory: home, environment } }, home);
  } finally {
    await rm(home, { recursive: true });
  }
}

const login = (key: string, auth = encode("me:pass:word")): unknown => ({ auths: { [key]: { auth } } });

for (const key of [
  "ghcr.io",
  "https://ghcr.io",
  "https://ghcr.io/v2/",
  "ghcr.io/org",
  "ghcr.io/org/kelpie-base",
]) {
  test(`a login kept under ${key} is found`, () =>
    withHome({ ".docker/config.json": login(key) }, async (platform) => {
      assert.deepEqual(await findCredentials(platform, repository), { user: "me", secret: "pass:word" });
    }));
}

for (const key of ["ghcr.io:443", "ghcr.io.example.com", "ghcr.io/other", "ghcr.io/org/kelpie", "hcr.io"]) {
  test(`a login kept under ${key} is another's`, () =>
    withHome({ ".docker/config.json": login(key) }, async (platform) => {
      assert.equal(await findCredentials(platform, repository), undefined);
    }));
}

test("the narrowest login wins, and podman's file comes before docker's", () =>
  withHome(
    {
      ".config/containers/auth.json": {
        auths: { "ghcr.io": { auth: encode("wide:x") }, "ghcr.io/org": { auth: encode("narrow:x") } },
      },
      ".docker/config.json": login("ghcr.io/org/kelpie-base"),
    },
    async (platform) => assert.equal((await findCredentials(platform, repository))?.user, "narrow"),
  ));

test("a file that is named is the only one, and a token of the environment comes before any", () =>
  withHome({ ".docker/config.json": login("ghcr.io") }, async (platform, home) => {
    const named = { REGISTRY_AUTH_FILE: join(home, "absent.json") };
    const withFile = { ...platform, host: { ...platform.host, environment: named } };
    assert.equal(await findCredentials(withFile, repository), undefined);
    const token = { KELPIE_REGISTRY_TOKEN: "t", KELPIE_REGISTRY_USER: "u" };
    const withToken = { ...platform, host: { ...platform.host, environment: token } };
    assert.deepEqual(await findCredentials(withToken, repository), { user: "u", secret: "t" });
  }));

for (const [name, content] of [
  ["is not JSON", "{"],
  ["has another shape", { auths: [1] }],
  ["has a login that is no login", login("ghcr.io", encode("nothing"))],
  ["names a helper outside its place", { credHelpers: { "ghcr.io": "../../bin/sh" } }],
] as const) {
  test(`a file that ${name} is malformed, and nothing of it is shown`, () =>
    withHome({ ".docker/config.json": content }, async (platform) => {
      await assert.rejects(
        findCredentials(platform, repository),
        (error) => KelpieError.is(error) && error.code === "malformed",
      );
    }));
}

test("a helper is asked for the secret, and one that fails has none", () =>
  withHome(
    {
      ".docker/config.json": {
        credHelpers: { "ghcr.io": "kelpie-test" },
        auths: { "other.io": {} },
        credsStore: "absent-test",
      },
      "bin/docker-credential-kelpie-test":
        '#!/bin/sh\nread -r server; [ "$1 $server" = "get ghcr.io" ] && echo \'{"Username":"helped","Secret":"s"}\'\n',
      "bin/docker-credential-absent-test": "#!/bin/sh\nexit 1\n",
    },
    async (platform, home) => {
      for (const name of ["kelpie-test", "absent-test"])
        await chmod(join(home, `bin/docker-credential-${name}`), 0o755);
      const before = process.env["PATH"];
      process.env["PATH"] = `${join(home, "bin")}:${before ?? ""}`;
      try {
        assert.deepEqual(await findCredentials(platform, repository), { user: "helped", secret: "s" });
        assert.equal(await findCredentials(platform, { host: "other.io", name: "x" }), undefined);
      } finally {
        process.env["PATH"] = before;
      }
    },
  ));
