// Devices that a running machine is given: all that is not the same for every machine of a shape, so that one restored
// from a template can have them as well as one that booted.

/** A device, and what stands behind it on the host. Its `name` is unique in its machine: 1 to 20 of `a-z 0-9 -`. */
export type PluggableDevice = PluggedDisk | PluggedVirtioFs | PluggedNinep | PluggedNetwork;

/** A disk whose content is a raw file. The guest finds it by its serial, which is its name. */
export interface PluggedDisk {
  readonly kind: "disk";
  readonly name: string;
  readonly path: string;
  readonly readOnly: boolean;
}

/** A virtio-fs device whose daemon listens on a Unix socket. The machine must have {@link VmSpec.sharedMemory}. */
export interface PluggedVirtioFs {
  readonly kind: "virtiofs";
  readonly name: string;
  readonly tag: string;
  readonly socket: string;
}

/** A 9p device over a directory that the machine was started with: {@link VmSpec.ninepDirectories}. */
export interface PluggedNinep {
  readonly kind: "9p";
  readonly name: string;
  readonly tag: string;
  readonly directory: string;
}

/** A network card. */
export interface PluggedNetwork {
  readonly kind: "network";
  readonly name: string;
  /** Six pairs of hexadecimal digits with colons. */
  readonly mac: string;
  readonly backend: NetworkBackend;
}

export type NetworkBackend =
  /** The monitor connects to a Unix socket: each frame is preceded by its length, four bytes big-endian. */
  | { readonly kind: "socket"; readonly path: string }
  /** The monitor's own user-mode network: out to everywhere that the host reaches, and in through `publish`. */
  | { readonly kind: "user"; readonly publish: readonly PublishedPort[] }
  /** As `user`, with no way out. */
  | { readonly kind: "closed"; readonly publish: readonly PublishedPort[] };

/** A port of the host that leads to one of the guest, over TCP. */
export interface PublishedPort {
  readonly hostAddress: string;
  readonly hostPort: number;
  readonly guestPort: number;
}

/** A directory of the host that a machine is started with. Its path is absolute and without symlinks. */
export interface SharedDirectory {
  readonly name: string;
  readonly path: string;
  readonly readOnly: boolean;
}
