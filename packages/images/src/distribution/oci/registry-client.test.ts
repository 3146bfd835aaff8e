// The client against a registry that misbehaves: each fault ends in the right content or in one clear error.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import { KelpieError, type KelpieErrorCode, type Platform, realPlatform } from "@kelpie/platform";
import { noise } from "../testing/images.ts";
import { type FakeRegistry, type Fault, sha256, startFakeRegistry } from "../testing/fake-registry.ts";
import type { Access } from "./authorization.ts";
import { RegistryClient } from "./registry-client.ts";

const content = Buffer.from(noise("blob", 700_001));
const digest = sha256(content);
const blob = { digest, size: content.length };
const options = {
  retry: { attempts: 3, firstDelayMs: 1, maxDelayMs: 5 },
  timeouts: { responseMs: 300, stallMs: 300 },
};
const platform: Platform = {
  ...realPlatform,
  host: { ...realPlatform.host, homeDirectory: "/nonexistent", environment: {} },
};

function clientOf({ host }: FakeRegistry, access: Access = "pull", on = platform): RegistryClient {
  return new RegistryClient(on, { host, name: "repo" }, access, options);
}

function hasCode(code: KelpieErrorCode): (error: unknown) => boolean {
  return (error) => {
    assert.ok(KelpieError.is(error), String(error));
    assert.equal(error.code, code, error.message);
    return true;
  };
}

const mended: Readonly<Record<string, readonly Fault[]>> = {
  "a connection that is cut": [{ kind: "cut", afterBytes: 300_000 }],
  "two connections that are cut": [
    { kind: "cut", afterBytes: 300_000 },
    { kind: "cut", afterBytes: 200_000 },
  ],
  "a transfer that stalls": [{ kind: "stall", afterBytes: 100_000 }],
  "a server that does not answer": [{ kind: "silence" }],
  "a damaged byte": [{ kind: "corrupt", atByte: 5 }],
  "a blob that is too short": [{ kind: "resize", byBytes: -100 }],
  "a blob that is too long": [{ kind: "resize", byBytes: 100 }],
  "a server that is busy": [{ kind: "status", status: 429, headers: { "retry-after": "0" } }],
  "a server that is broken for a moment": [
    { kind: "status", status: 500 },
    { kind: "status", status: 503 },
  ],
  "a server that resumes elsewhere": [{ kind: "cut", afterBytes: 300_000 }, { kind: "wrong-range" }],
};

for (const [name, faults] of Object.entries(mended)) {
  test(`${name} is mended by another attempt to fetch a blob`, async () => {
    await using registry = await startFakeRegistry();
    registry.blobs.set(digest, content);
    registry.fail("GET blobs/", ...faults);
    assert.ok(content.equals(await clientOf(registry).fetchBlob(blob)));
  });
}

test("a blob is resumed where it broke, and the network is told of each byte once", async () => {
  await using registry = await startFakeRegistry();
  registry.blobs.set(digest, content);
  registry.fail("GET blobs/", { kind: "cut", afterBytes: 300_000 });
  let bytes = 0;
  await clientOf(registry).fetchBlob(blob, { onBytes: (count) => (bytes += count) });
  assert.equal(bytes, content.length);
  assert.deepEqual(
    registry.seen.map(({ range }) => range),
    [undefined, "bytes=300000-"],
  );
});

const thrice = (fault: Fault): Fault[] => [fault, fault, fault];
const fatal: Readonly<Record<string, readonly [KelpieErrorCode, readonly Fault[]]>> = {
  "content that stays wrong": ["digest-mismatch", thrice({ kind: "corrupt", atByte: 5 })],
  "content that stays too long": ["digest-mismatch", thrice({ kind: "resize", byBytes: 1 })],
  "a server that stays broken": ["unreachable", thrice({ kind: "status", status: 502 })],
  "a server that stays silent": ["timeout", thrice({ kind: "silence" })],
  "a blob that is not there": ["not-found", [{ kind: "status", status: 404 }]],
  "a blob that is forbidden": ["permission-denied", [{ kind: "status", status: 403 }]],
  "a server that speaks of something else": ["unsupported", [{ kind: "status", status: 418 }]],
  "a redirect to a place that is none": [
    "malformed",
    [{ kind: "status", status: 307, headers: { location: "http://[" } }],
  ],
  "redirects without an end": [
    "unsupported",
    Array.from(
      { length: 9 },
      () => ({ kind: "status", status: 307, headers: { location: "/v2/repo/blobs/x" } }) as const,
    ),
  ],
  "a redirect to a file of this machine": [
    "permission-denied",
    [{ kind: "status", status: 307, headers: { location: "file:///etc/passwd" } }],
  ],
};

for (const [name, [code, faults]] of Object.entries(fatal)) {
  test(`${name} ends a fetch with ${code}`, async () => {
    await using registry = await startFakeRegistry();
    registry.blobs.set(digest, content);
    registry.fail("GET blobs/", ...faults);
    await assert.rejects(clientOf(registry).fetchBlob(blob), hasCode(code));
  });
}

test("what a registry says of a refusal is shown, without what could confuse a terminal", async () => {
  await using registry = await startFakeRegistry();
  const body = JSON.stringify({ errors: [{ code: "DENIED", message: "quota \u001b[31mexceeded" }] });
  registry.fail("POST blobs/", { kind: "status", status: 403, body });
  await assert.rejects(
    clientOf(registry, "push").pushBlob(digest, content),
    (error) => KelpieError.is(error) && error.found === "HTTP status 403, DENIED: quota ?[31mexceeded",
  );
});

test("a small blob that is cut on its way is sent again", async () => {
  await using registry = await startFakeRegistry();
  registry.fail("PUT blobs/", { kind: "cut", afterBytes: 100_000 }, { kind: "status", status: 500 });
  await clientOf(registry, "push").pushBlob(digest, content);
  assert.ok(content.equals(new Uint8Array(registry.blobs.get(digest) ?? [])));
});

test("a large blob that is cut is sent in pieces, which go on where they were cut", async () => {
  await using registry = await startFakeRegistry();
  const large = noise("large", 11 << 20);
  registry.fail("PUT blobs/", { kind: "cut", afterBytes: 1 << 20 });
  registry.fail("PATCH blobs/", { kind: "none" }, { kind: "cut", afterBytes: 2 << 20 });
  await clientOf(registry, "push").pushBlob(sha256(large), large);
  assert.ok(Buffer.from(large).equals(registry.blobs.get(sha256(large)) ?? new Uint8Array(0)));
  const requests = registry.seen.map(({ method, path }) => `${method} ${path.replace(/\?.*/, "")}`);
  assert.deepEqual(requests, [
    "POST blobs/uploads/",
    "PUT blobs/uploads/1",
    "POST blobs/uploads/",
    "PATCH blobs/uploads/2",
    "PATCH blobs/uploads/2",
    "GET blobs/uploads/2",
    "PATCH blobs/uploads/2",
    "PUT blobs/uploads/2",
  ]);
});

test("an upload that the registry has forgotten is begun again", async () => {
  await using registry = await startFakeRegistry();
  const large = noise("large", 6 << 20);
  registry.fail("PUT blobs/", { kind: "cut", afterBytes: 1 << 20 });
  registry.fail("PATCH blobs/", { kind: "status", status: 404 });
  await clientOf(registry, "push").pushBlob(sha256(large), large);
  assert.ok(registry.blobs.has(sha256(large)));
});

test("a manifest that is not what its digest says is refused", async () => {
  await using registry = await startFakeRegistry();
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  registry.manifests.set(digest, { mediaType, bytes: new TextEncoder().encode("{}") });
  await assert.rejects(
    clientOf(registry).fetchManifest({ kind: "digest", digest }),
    hasCode("digest-mismatch"),
  );
});

test("a manifest above the bound is refused before all of it has come", async () => {
  await using registry = await startFakeRegistry();
  registry.manifests.set("huge", { mediaType: "text/plain", bytes: new Uint8Array(5 << 20) });
  await assert.rejects(
    clientOf(registry).fetchManifest({ kind: "tag", tag: "huge" }),
    hasCode("limit-exceeded"),
  );
});

test("credentials follow no redirect to another origin", async () => {
  await using registry = await startFakeRegistry();
  registry.blobs.set(digest, content);
  await using storage = await startFakeRegistry();
  storage.blobs.set(digest, content);
  const challenge = {
    kind: "status",
    status: 401,
    headers: { "www-authenticate": 'Basic realm="x"' },
  } as const;
  const location = `http://${storage.host}/v2/repo/blobs/${digest}?signature=abc`;
  registry.fail("GET blobs/", challenge, { kind: "status", status: 307, headers: { location } });
  storage.blobs.set(`${digest}?signature=abc`, content);
  const environment = { KELPIE_REGISTRY_TOKEN: "secret" };
  const known = { ...platform, host: { ...platform.host, environment } };
  assert.ok(content.equals(await clientOf(registry, "pull", known).fetchBlob(blob)));
  assert.ok(registry.seen.at(-1)?.authorization?.startsWith("Basic ") === true);
  assert.deepEqual(
    storage.seen.map(({ authorization }) => authorization),
    [undefined],
  );
});

for (const realm of [
  "http://tokens.example.com/",
  "ftp://127.0.0.1/",
  "nowhere",
  "https://user@tokens.example.com/",
]) {
  test(`a login is not sent to ${realm}`, async () => {
    await using registry = await startFakeRegistry();
    const headers = { "www-authenticate": `Bearer realm="${realm}",service="x"` };
    registry.fail("GET blobs/", { kind: "status", status: 401, headers });
    const environment = { KELPIE_REGISTRY_TOKEN: "secret" };
    const known = { ...platform, host: { ...platform.host, environment } };
    await assert.rejects(clientOf(registry, "pull", known).fetchBlob(blob), hasCode("permission-denied"));
  });
}

test("a token service that is broken for a moment is asked again", async () => {
  await using registry = await startFakeRegistry();
  registry.blobs.set(digest, content);
  let asked = 0;
  const server = createServer((_, response) => {
    asked += 1;
    if (asked === 1) response.writeHead(503).end();
    else response.end(JSON.stringify({ access_token: "abc" }));
  });
  await using listening = new AsyncDisposableStack();
  listening.defer(() => {
    server.close();
    server.closeAllConnections();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  const headers = { "www-authenticate": `Bearer realm="http://127.0.0.1:${address.port}/"` };
  const challenge = { kind: "status", status: 401, headers } as const;
  registry.fail("GET blobs/", challenge, challenge);
  assert.ok(content.equals(await clientOf(registry).fetchBlob(blob)));
  assert.equal(registry.seen.at(-1)?.authorization, "Bearer abc");
});

test("a cancelled transfer ends at once", async () => {
  await using registry = await startFakeRegistry();
  registry.blobs.set(digest, content);
  registry.fail("GET blobs/", { kind: "stall", afterBytes: 1000 });
  const stop = new AbortController();
  const fetched = clientOf(registry).fetchBlob(blob, { signal: stop.signal, onBytes: () => stop.abort() });
  await assert.rejects(fetched, hasCode("cancelled"));
});
