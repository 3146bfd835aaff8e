// What a person writes for a share, and the command lines that it becomes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { KelpieError } from "@kelpie/platform";
import { parseMount, parseTransport, parseWorkspace } from "./share.ts";
import { virtioFsCommand } from "./virtiofs-daemon.ts";

const isUsage = (error: unknown): boolean => KelpieError.is(error) && error.code === "usage";

test("a workspace is a directory, relative ones from where the command was typed, read only if it says so", () => {
  const target = "/workspace";
  assert.deepEqual(parseWorkspace(".", "/home/me"), { source: "/home/me", target, readOnly: false });
  assert.deepEqual(parseWorkspace("../x:ro", "/home/me"), { source: "/home/x", target, readOnly: true });
  assert.deepEqual(parseWorkspace("/a:b:rw", "/"), { source: "/a:b", target, readOnly: false });
  assert.throws(() => parseWorkspace(":ro", "/"), isUsage);
});

test("a mount names the host's directory and an absolute place in the guest", () => {
  assert.deepEqual(parseMount("src:/opt/src/", "/w"), {
    source: "/w/src",
    target: "/opt/src",
    readOnly: false,
  });
  assert.deepEqual(parseMount("/a:b:/c:ro", "/w"), { source: "/a:b", target: "/c", readOnly: true });
  for (const bad of ["/a", "/a:b", ":/b", "", "/a:", "/a:b:ro"])
    assert.throws(() => parseMount(bad, "/"), isUsage, bad);
});

test("a transport is one of those that there are", () => {
  assert.equal(parseTransport("9p"), "9p");
  assert.throws(() => parseTransport("nfs"), isUsage);
});

test("virtiofsd sees a read-only directory through a read-only mount, and an ordinary user's is root of nothing but a namespace", () => {
  const daemon = { program: "/usr/libexec/virtiofsd", flavour: "rust" } as const;
  const options = { source: "/data", socket: "/s", readOnly: true };
  const words = virtioFsCommand(daemon, options, 1000);
  assert.deepEqual(words.slice(0, 5), ["unshare", "--mount", "--user", "--map-root-user", "--"]);
  assert.match(words.join(" "), /remount,bind,ro/);
  assert.deepEqual(virtioFsCommand(daemon, { ...options, readOnly: false }, 0)[0], daemon.program);
  const old = virtioFsCommand({ program: "/v", flavour: "qemu" }, { ...options, readOnly: false }, 0);
  assert.ok(old.includes("source=/data") && old.includes("--socket-path=/s"));
  const forUser = virtioFsCommand({ program: "/v", flavour: "qemu" }, options, 1000).join(" ");
  assert.match(forUser, /mount -t tmpfs run \/run && .*remount,bind,ro/, "a place for its process id");
});
