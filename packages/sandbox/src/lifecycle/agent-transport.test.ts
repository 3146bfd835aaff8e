// Which device a machine gets for each way to its agent, on machines that have more or less of vsock.

import assert from "node:assert/strict";
import { test } from "node:test";
import { KelpieError, realPlatform } from "@kelpie/platform";
import { type AgentTransport, chooseTransport, parseAgentTransport } from "./agent-transport.ts";

/** A machine with what is named of: the kernel's device, socat, the daemon. */
function machineWith(...has: readonly string[]): Pick<typeof realPlatform, "files" | "processes"> {
  return {
    processes: {
      ...realPlatform.processes,
      find: (program) => Promise.resolve(has.includes(program) ? `/bin/${program}` : undefined),
    },
    files: {
      ...realPlatform.files,
      open: () =>
        has.includes("/dev/vhost-vsock")
          ? realPlatform.files.open("/dev/null", "update")
          : Promise.reject(new KelpieError("not-found", "There is none")),
    },
  };
}

const kernel = { carrier: "vsock", vsockDevice: { kind: "vhost-vsock", socat: "/bin/socat" } };
const daemonDevice = { kind: "vhost-user-vsock", daemon: "/bin/vhost-device-vsock" };
const daemon = { carrier: "vsock", vsockDevice: daemonDevice };
const all = ["/dev/vhost-vsock", "socat", "vhost-device-vsock"];

const table: readonly (readonly [AgentTransport, readonly string[], unknown])[] = [
  ["auto", all, {}],
  ["virtio-serial", all, { carrier: "virtio-serial" }],
  ["vsock", all, kernel],
  ["vsock", ["/dev/vhost-vsock", "vhost-device-vsock"], daemon],
  ["vsock", ["vhost-device-vsock"], daemon],
  ["vhost-vsock", all, kernel],
  ["vhost-user-vsock", all, daemon],
];
for (const [transport, has, expected] of table) {
  test(`${transport} with ${has.join(", ")}`, async () => {
    assert.deepEqual(await chooseTransport(machineWith(...has), { name: "qemu" }, transport), expected);
  });
}

for (const transport of ["vsock", "vhost-vsock", "vhost-user-vsock"] as const) {
  test(`${transport} on a machine without any is refused with what would help`, async () => {
    await assert.rejects(chooseTransport(machineWith(), { name: "qemu" }, transport), (error) => {
      assert.ok(KelpieError.is(error) && error.code === "missing-tool");
      assert.match(error.help ?? "", /modprobe vhost_vsock|vhost-device-vsock/);
      return true;
    });
  });
}

test("a monitor with a vsock of its own is given no device", async () => {
  assert.deepEqual(await chooseTransport(machineWith(), { name: "firecracker" }, "vsock"), {
    carrier: "vsock",
  });
});

test("a way that there is not is refused with those that there are", () => {
  assert.equal(parseAgentTransport("vsock"), "vsock");
  assert.throws(() => parseAgentTransport("tcp"), /virtio-serial/);
});
