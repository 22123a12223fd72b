/** Sets of shards as they travel: one bit a shard, bit 0 of byte 0 first, unused bits 0. */

/** Bytes of a bitfield of `size` shards. */
export function bitfieldBytes(size: number): number {
  return Math.ceil(size / 8);
}

/** Members at or above `size` are left out. */
export function packBits(size: number, shards: Iterable<number>): Uint8Array {
  const bits = new Uint8Array(bitfieldBytes(size));
  for (const shard of shards) {
    if (shard >= 0 && shard < size) bits[shard >>> 3] = (bits[shard >>> 3] as number) | (1 << (shard & 7));
  }
  return bits;
}

/** The members, rising. Bits at or above `size` are not looked at. */
export function* unpackBits(size: number, bits: Uint8Array): Generator<number, void, undefined> {
  for (const [index, byte] of bits.entries()) {
    for (let rest = byte; rest !== 0; rest &= rest - 1) {
      const shard = index * 8 + (31 - Math.clz32(rest & -rest));
      if (shard < size) yield shard;
    }
  }
}
