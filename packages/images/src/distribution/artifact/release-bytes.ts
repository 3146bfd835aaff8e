// Gives the memory of large buffers back at once. The collector counts what lies outside its heap and has nothing but whole
// collections against it: hundreds of MiB that pass through a pull took it more time than the pull itself.

/** Nothing that Node gives out of a shared pool is this large. */
const leastBytes = 64 << 10;

/** Frees the memory behind `bytes`, which nobody may look at any more: to all views of it they are empty from now on. */
export function releaseBytes(bytes: Uint8Array): void {
  const { buffer } = bytes;
  if (buffer instanceof ArrayBuffer && buffer.byteLength >= leastBytes) buffer.transfer(0);
}
