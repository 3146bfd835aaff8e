// Kernel images in their forms, with nothing in them that runs.

/** A payload with its unpacked size behind it. */
export function withSize(packed: Uint8Array, size: number): Buffer {
  const appended = Buffer.alloc(4);
  appended.writeUInt32LE(size);
  return Buffer.concat([packed, appended]);
}

/** A bzImage around a compressed vmlinux. */
export function bzImage(
  payload: Uint8Array,
  changes: { protocol?: number; payloadBytes?: number } = {},
): Buffer {
  const image = Buffer.alloc(512 * 4);
  image[0x1f1] = 3;
  image.writeUInt16LE(0xaa55, 0x1fe);
  image.write("HdrS", 0x202);
  image.writeUInt16LE(changes.protocol ?? 0x020f, 0x206);
  image.writeUInt16LE(0x400, 0x20e);
  image[0x211] = 1;
  image[0x234] = 1;
  image.writeUInt32LE(100, 0x248);
  image.writeUInt32LE(changes.payloadBytes ?? payload.length, 0x24c);
  image.writeBigUInt64LE(0x1000000n, 0x258);
  image.writeUInt32LE(0x3000000, 0x260);
  image.write("6.1.0-test (somebody) #1\0", 0x600);
  return Buffer.concat([image, Buffer.alloc(100), payload, Buffer.alloc(300)]);
}

/** An uncompressed Image without a kernel. */
export function arm64Image(): Buffer {
  const image = Buffer.alloc(4096);
  image.write("MZ", 0);
  image.writeBigUInt64LE(0n, 8);
  image.writeBigUInt64LE(0x2000000n, 16);
  image.writeBigUInt64LE(0xan, 24);
  image.write("ARM\x64", 56, "latin1");
  return image;
}

/** An EFI zboot image around a compressed Image. */
export function zboot(
  payload: Uint8Array,
  compression: string,
  changes: { machine?: number; payloadBytes?: number } = {},
): Buffer {
  const image = Buffer.alloc(1024);
  image.write("MZ", 0);
  image.write("zimg", 4);
  image.writeUInt32LE(1024, 8);
  image.writeUInt32LE(changes.payloadBytes ?? payload.length, 12);
  image.write(compression, 24);
  image.writeUInt32LE(0x40, 0x3c);
  image.write("PE\0\0", 0x40);
  image.writeUInt16LE(changes.machine ?? 0xaa64, 0x44);
  return Buffer.concat([image, payload, Buffer.alloc(64)]);
}
