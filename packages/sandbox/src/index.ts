// A running virtual machine: monitors that run it, the connection to its guest, and one command in it.

export { AgentClient, type AgentClientOptions, type AttachOptions } from "./agent/agent-client.ts";
export type { CallOptions } from "./agent/call-guest.ts";
export type { AgentConnectionOptions } from "./agent/agent-connection.ts";
export { Execution, type ExecutionResult } from "./agent/execution.ts";
export type { GuestFile, GuestFileChange, GuestFileKind } from "./agent/guest-file.ts";
export {
  GuestFiles,
  type GuestOwner,
  type GuestPath,
  type TarInOptions,
  type WriteOptions,
} from "./agent/guest-files.ts";
export type { OutputOffsets } from "./agent/process-events.ts";
export type { EndCause, ProcessEnd, ProcessOutput, ProcessRequest, StartFailure } from "./agent/process.ts";
export { writeOutput } from "./run/write-output.ts";
export type { Copied, CopyOptions } from "./copy/copy.ts";
export { copyIn } from "./copy/copy-in.ts";
export { copyOut } from "./copy/copy-out.ts";
export { copyStreamIn, type GuestStream, openGuestPath } from "./copy/stream.ts";
export { exitCodeOf } from "./run/exit-code.ts";
export type { RunOutput } from "./run/forward-output.ts";
export { interact, type Interaction, type Person, resize } from "./run/interact.ts";
export { Keyboard } from "./run/keyboard.ts";
export { type RunOptions, runInSandbox } from "./run/run.ts";
export { type AgentTransport, parseAgentTransport } from "./lifecycle/agent-transport.ts";
export { findDaemonVsock, findKernelVsock, type VsockFinding } from "./vmm/vsock/vsock-device.ts";
export {
  type Attachment,
  type AttachTarget,
  type MachineNeeds,
  readDescriptions,
} from "./lifecycle/attachment.ts";
export { sweepRunDirectories } from "./lifecycle/run-directory.ts";
export {
  killSandbox,
  pauseSandbox,
  resumeSandbox,
  type StopOptions,
  stopSandbox,
} from "./lifecycle/control.ts";
export {
  collectGarbage,
  findEntry,
  findSandbox,
  type Garbage,
  type KnownSandbox,
  listSandboxes,
  removeSandbox,
  type SandboxEntry,
} from "./lifecycle/registry.ts";
export { Sandbox } from "./lifecycle/sandbox.ts";
export { listProcesses, type SandboxProcess } from "./lifecycle/sandbox-processes.ts";
export { maxPids, memoryLimitsMiB } from "./lifecycle/sandbox-limits.ts";
export type { SandboxSource } from "./lifecycle/sandbox-defaults.ts";
export type { KeepSandbox, OpenSandboxOptions, SandboxOptions } from "./lifecycle/sandbox-options.ts";
export type { SandboxImage, SandboxRecord } from "./lifecycle/sandbox-record.ts";
export { sandboxHealth, type SandboxHealth } from "./lifecycle/sandbox-health.ts";
export { followLog, type LogKind, readLog } from "./lifecycle/sandbox-log.ts";
export { isLive, type SandboxState } from "./lifecycle/sandbox-state.ts";
export type { Phase } from "./phases.ts";
export type { GuestStart, StartKind } from "./templates/start-guest.ts";
export { TemplateStore, type TemplateSummary } from "./templates/template-store.ts";
export { type AcceleratorChoice, chooseAccelerator } from "./vmm/probe/choose-accelerator.ts";
export type { Accelerator } from "./vmm/qemu/accelerator.ts";
export { findQemu, type QemuInstallation } from "./vmm/qemu/find-qemu.ts";
export { openQemu, type OpenQemuOptions, type QemuVmm } from "./vmm/qemu/qemu-vmm.ts";
export type {
  NetworkBackend,
  PluggableDevice,
  PluggedDisk,
  PluggedNetwork,
  PluggedNinep,
  PluggedVirtioFs,
  PublishedPort,
  SharedDirectory,
} from "./vmm/pluggable.ts";
export {
  type BackendFinding,
  examineBackends,
  openVmm,
  type OpenVmmOptions,
  parseVmmChoice,
} from "./vmm/backends.ts";
export { type VmmCapabilities, type VmmChoice, type VmmName, vmmNames } from "./vmm/capabilities.ts";
export { describeStop, type StopReason, type VmState } from "./vmm/vm-state.ts";
export type { BootImage, SavedMachine, VirtualMachine, Vmm, VmOrigin, VmSpec } from "./vmm/vmm.ts";
export { type OpenSharesOptions, openShares } from "./workspace/open-shares.ts";
export {
  parseMount,
  parseTransport,
  parseWorkspace,
  type Share,
  type Transport,
  workspaceTarget,
} from "./workspace/share.ts";
export { findVirtioFsDaemon, virtioFsInstallation } from "./workspace/virtiofs-daemon.ts";
export type { NetworkEvent } from "./network/connection-log.ts";
export { networkLogName, type NetworkOptions, openNetwork } from "./network/network-attachment.ts";
export type { EgressRule } from "./network/policy.ts";
export { parsePublish } from "./network/publish.ts";
export { type NetworkMode, parseNetworkMode } from "./network/rules.ts";
