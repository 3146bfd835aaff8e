// The variables of the environment that people set, for help. A test holds that they are those which the code looks at.

export const environment: readonly (readonly [name: string, what: string])[] = [
  ["KELPIE_HOME", "Where images, sandboxes, keys and caches are kept [default: ~/.kelpie]"],
  ["KELPIE_VMM", "What runs machines where --vmm does not say: qemu, firecracker, libkrun or auto"],
  ["KELPIE_IMAGE_SOURCES", "Where images are downloaded from, separated by spaces (docs/distribution.md)"],
  ["KELPIE_REGISTRY_TOKEN", "What a registry is logged in to with, before any credential helper"],
  ["KELPIE_REGISTRY_USER", "The name that goes with it, where the registry looks at it"],
  ["KELPIE_KEY_PASSPHRASE", "Encrypts private keys that are made, and opens those that are used"],
  ["KELPIE_DEBIAN_MIRROR", "Debian's mirror, where the host is no Debian"],
  ["KELPIE_LIBKRUN", "The path of libkrun.so.1, where the system's loader does not find it"],
  ["SOURCE_DATE_EPOCH", "The date of what is built, in seconds since 1970 [default: the commit's]"],
];
