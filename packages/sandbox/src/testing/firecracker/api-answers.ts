// What Firecracker answers, call after call, as version 1.12.1 itself was heard to: the installed one is held to it, and so
// is the one that is played.

import type { ApiCall } from "../../vmm/firecracker/api-client.ts";
import { restoreCall, saveCalls, stateCall } from "../../vmm/firecracker/calls.ts";

/** A call, and what is said where it is refused. */
export interface Heard {
  readonly call: ApiCall;
  readonly refusal?: RegExp;
}

const put = (path: string, body: Readonly<Record<string, unknown>>): ApiCall => ({
  method: "PUT",
  path,
  body,
});
const told = (path: string, body: Readonly<Record<string, unknown>>, refusal?: RegExp): Heard => ({
  call: put(path, body),
  ...(refusal === undefined ? {} : { refusal }),
});
const heard = (call: ApiCall, refusal?: RegExp): Heard => ({
  call,
  ...(refusal === undefined ? {} : { refusal }),
});

const start = put("/actions", { action_type: "InstanceStart" });
const saves = saveCalls("state", "memory");
const drive = { drive_id: "root", path_on_host: "disk", is_root_device: false, is_read_only: false };

/** To one that was just started. `kernel` can be entered. */
export function beforeBoot(kernel: string): readonly Heard[] {
  const source = (rest: Readonly<Record<string, unknown>>, refusal?: RegExp): Heard =>
    told("/boot-source", { kernel_image_path: kernel, ...rest }, refusal);
  return [
    heard({ method: "GET", path: "/" }),
    heard({ method: "GET", path: "/nothing" }, /^400: Invalid request method and\/or path: GET nothing\./),
    told("/machine-config", { vcpu_count: 1 }, /deserializing the json body.*missing field `mem_size_mib`/),
    told("/machine-config", { vcpu_count: 1, mem_size_mib: 64, other: 1 }, /unknown field `other`/),
    told("/machine-config", { vcpu_count: 1, mem_size_mib: 64, huge_pages: "4M" }, /unknown variant `4M`/),
    told(
      "/machine-config",
      { vcpu_count: 0, mem_size_mib: 64 },
      /The number of vCPUs must be greater than 0/,
    ),
    told("/machine-config", { vcpu_count: 33, mem_size_mib: 64 }, /The number of vCPUs/),
    told("/machine-config", { vcpu_count: 1, mem_size_mib: 0 }, /The memory size \(MiB\) is/),
    told("/machine-config", { vcpu_count: 1, mem_size_mib: 64, smt: false }),
    heard(start, /^400: Start microvm error: Cannot start microvm without kernel configuration/),
    source(
      { kernel_image_path: "absent" },
      /^400: Boot source error: The kernel file cannot be opened: No such file/,
    ),
    source(
      { initrd_path: "absent" },
      /^400: Boot source error: The initrd file cannot be opened.*No such file/,
    ),
    source({ boot_args: "x".repeat(2048) }, /^400: Boot source error: The kernel command line is invalid/),
    source({ boot_args: "x".repeat(2047) }),
    source({ boot_args: "console=ttyS0 panic=-1 reboot=k" }),
    told("/drives/other", drive, /The id from the path does not match the id from the body/),
    told("/drives/root", { ...drive, is_root_device: undefined }, /missing field `is_root_device`/),
    told("/drives/root", { ...drive, path_on_host: "absent" }, /^400: Drive config error: .*No such file/),
    told("/drives/root", { ...drive, cache_type: "Unsafe" }),
    told("/vsock", { guest_cid: 2 ** 32, uds_path: "vsock" }, /deserializing the json body/),
    told("/vsock", { guest_cid: 3, uds_path: "disk" }, /^400: Vsock config error: .*Address in use/),
    told("/vsock", { guest_cid: 3, uds_path: "x".repeat(108) }, /^400: Vsock config error: .*SUN_LEN/),
    told("/vsock", { guest_cid: 3, uds_path: "vsock" }),
    // Told again it makes its socket anew.
    told("/vsock", { guest_cid: 3, uds_path: "vsock" }),
    told("/entropy", { other: 1 }, /unknown field `other`/),
    told("/entropy", {}),
    heard(stateCall("Paused"), /not supported before starting/),
    told("/nothing", {}, /Invalid request method/),
    ...saves.slice(1).map((call) => heard(call, /not supported before starting/)),
    heard(
      restoreCall("state", "memory"),
      /^400: Load snapshot error: .*not allowed after configuring boot-specific/,
    ),
  ];
}

/** To another that was just started, which restores. */
export const beforeRestore: readonly Heard[] = [
  told(
    "/snapshot/load",
    { snapshot_path: "state" },
    /deserializing the json body.*missing field.*mem_backend/,
  ),
  heard(restoreCall("absent", "absent"), /^400: Load snapshot error: .*No such file/),
];

/** To one that was told {@link beforeBoot}, and can run guests: it starts. */
export const afterBoot: readonly Heard[] = [
  heard(start),
  heard(start, /not supported after starting/),
  told("/machine-config", { vcpu_count: 1, mem_size_mib: 64 }, /not supported after starting/),
  told("/vsock", { guest_cid: 3, uds_path: "another" }, /not supported after starting/),
  heard(restoreCall("state", "memory"), /not supported after starting/),
  ...saves.slice(1).map((call) => heard(call, /^400: Create snapshot error: .*unavailable while running/)),
  heard(stateCall("Paused")),
  heard(stateCall("Paused")),
  ...saves.slice(1).map((call) => heard(call)),
  heard(stateCall("Resumed")),
  heard(stateCall("Resumed")),
  {
    call: { method: "PATCH", path: "/vm", body: { state: "Stopped" } },
    refusal: /unknown variant `Stopped`/,
  },
];
