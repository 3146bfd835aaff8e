// What `kelpie images init` writes: a spec to begin with, its choices explained.

/** The text of a small commented spec. `name` must be one that a spec may have. */
export function starterSpec(name: string, distribution: "alpine" | "debian"): string {
  return `# An image for Kelpie. Build it with: kelpie images build --spec FILE
# What may stand here: docs/image-specs.md
name: ${name}
version: 0.1.0

${distribution === "alpine" ? alpine : debian}
# Laid over the packages: a directory beside this file.
# overlays: [rootfs]

# files:
#   /etc/motd: { content: "Hello\\n" }

# users:
#   - { name: me, uid: 1000 }

environment:
  LANG: C.UTF-8

# Room left in the root file system.
free: 256MiB
`;
}

const alpine = `# Alpine is small; its C library is musl.
distribution: alpine
repositories:
  alpine:
    - url: https://dl-cdn.alpinelinux.org/alpine/v3.19/main
    - url: https://dl-cdn.alpinelinux.org/alpine/v3.19/community
# The files of Alpine's package alpine-keys: only what they sign is taken.
keys:
  alpine: [keys]

packages:
  - alpine-baselayout
  - alpine-release
  - busybox
  - ca-certificates

kernel:
  source: alpine
`;

const debian = `# Debian has glibc, which most prebuilt programs need.
distribution: debian
repositories:
  debian:
    release: bookworm

# What these depend on comes along. Debian's "essential" packages do not, unless they are named.
packages:
  - base-files
  - base-passwd
  - bash
  - busybox
  - ca-certificates
  - coreutils
  - dash
  - libc-bin
  - libc6

# They count as installed, and are not.
assume:
  - debconf

# Debian's busybox links none of its commands by itself.
scripts:
  busybox:
    - { do: applets, binary: /bin/busybox }

kernel:
  source: debian
`;
