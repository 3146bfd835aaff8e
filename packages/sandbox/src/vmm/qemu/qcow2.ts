// An empty qcow2 image (QEMU, docs/interop/qcow2.txt, version 3): the private writable layer over a shared disk.

import { KelpieError } from "@kelpie/platform";

const clusterBits = 16;
const clusterBytes = 1 << clusterBits;
const headerBytes = 104;
const refcountOrder = 4; // 16-bit reference counts
/** One L2 table is a cluster of 8-byte entries, one for each cluster of the disk. */
const bytesPerL1Entry = clusterBytes * (clusterBytes / 8);
/** The L1 table fits one cluster. */
const diskLimitBytes = bytesPerL1Entry * (clusterBytes / 8);

/** Clusters of the file, in order. */
const refcountTableCluster = 1;
const refcountBlockCluster = 2;
const l1TableCluster = 3;
const clusterCount = 4;

/** Header extensions: the backing file's format, and the end of the extensions. */
const backingFormatExtension = 0xe2792aca;
const extensionHeadBytes = 8;
const backingPathLimitBytes = 1023;
const rawFormat = new TextEncoder().encode("raw");

/**
 * The content of an image that shows a disk of `diskBytes`, a multiple of 512, of which nothing is written yet.
 *
 * @param backing - the path of the raw disk under it, for a monitor that cannot be told otherwise. Without one whoever
 *   opens the image says what lies under it, so that it can be moved.
 */
export function emptyQcow2(diskBytes: number, backing?: string): Uint8Array {
  if (diskBytes <= 0 || diskBytes > diskLimitBytes || diskBytes % 512 !== 0) {
    throw new KelpieError("invalid-input", "No disk can have this size", {
      expected: `a multiple of 512 up to ${diskLimitBytes}`,
      found: `${diskBytes} bytes`,
    });
  }
  const bytes = new Uint8Array(clusterCount * clusterBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x514649fb); // "QFI\xfb"
  view.setUint32(4, 3); // version
  view.setUint32(20, clusterBits);
  view.setBigUint64(24, BigInt(diskBytes));
  view.setUint32(36, Math.ceil(diskBytes / bytesPerL1Entry)); // L1 entries
  view.setBigUint64(40, BigInt(l1TableCluster * clusterBytes));
  view.setBigUint64(48, BigInt(refcountTableCluster * clusterBytes));
  view.setUint32(56, 1); // clusters of the reference count table
  view.setUint32(96, refcountOrder);
  view.setUint32(100, headerBytes);
  if (backing !== undefined) writeBacking(bytes, backing);
  view.setBigUint64(refcountTableCluster * clusterBytes, BigInt(refcountBlockCluster * clusterBytes));
  for (let cluster = 0; cluster < clusterCount; cluster++) {
    view.setUint16(refcountBlockCluster * clusterBytes + cluster * 2, 1);
  }
  return bytes;
}

/** Names a raw disk, and that it is raw: a guest that wrote another format's header to it must not have that believed. */
function writeBacking(bytes: Uint8Array, backing: string): void {
  const path = new TextEncoder().encode(backing);
  if (path.length > backingPathLimitBytes) {
    throw new KelpieError("invalid-input", "The path of an image's root disk is too long", {
      expected: `at most ${backingPathLimitBytes} bytes`,
      found: `${path.length}`,
      where: backing,
    });
  }
  const view = new DataView(bytes.buffer);
  view.setUint32(headerBytes, backingFormatExtension);
  view.setUint32(headerBytes + 4, rawFormat.length);
  bytes.set(rawFormat, headerBytes + extensionHeadBytes);
  // An extension is padded to eight bytes; the one that ends them is all zeros.
  const pathAt = headerBytes + 3 * extensionHeadBytes;
  bytes.set(path, pathAt);
  view.setBigUint64(8, BigInt(pathAt));
  view.setUint32(16, path.length);
}
