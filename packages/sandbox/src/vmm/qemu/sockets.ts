// A machine's sockets, by their names in the run directory, which is QEMU's working directory: it may not be able to follow the
// path to it. They stand in a directory that is QEMU's own, and nothing else does.

export const socketDirectory = "vm";
export const sockets = {
  qmp: `${socketDirectory}/qmp`,
  control: `${socketDirectory}/control`,
  save: `${socketDirectory}/save`,
  restore: `${socketDirectory}/restore`,
  agent: (index: number): string => `${socketDirectory}/agent.${index}`,
} as const;

/** Where the host reaches agent port `index` of a machine with virtio-serial. */
export function agentSocket(runDirectory: string, index: number): string {
  return `${runDirectory}/${sockets.agent(index)}`;
}
