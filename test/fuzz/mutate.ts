/** Makes a new input out of old ones. Deterministic by its dice. */

/** SplitMix-like, 32 bits: fast, and the same everywhere. */
export class FuzzDice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 to `below` − 1. */
  next(below: number): number {
    this.#state = (this.#state + 0x9e37_79b9) >>> 0;
    let z = this.#state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0_aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a_2d97);
    return ((z ^ (z >>> 15)) >>> 0) % below;
  }
}

/** Numbers at which decoders go wrong. */
const EDGES = [0, 1, 127, 128, 255, 0x7fff, 0x8000, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
const MOST_BYTES = 4_096;

export interface Material {
  readonly inputs: readonly Uint8Array[];
  readonly words: readonly Uint8Array[];
}

/** One to six changes of one of the inputs. */
export function mutate({ inputs, words }: Material, dice: FuzzDice): Uint8Array {
  let bytes: Buffer = Buffer.from(inputs[dice.next(inputs.length)] as Uint8Array);
  const changes = 1 + dice.next(6);
  for (let change = 0; change < changes; change += 1) bytes = changeOnce(bytes, { inputs, words }, dice);
  return bytes.length > MOST_BYTES ? bytes.subarray(0, MOST_BYTES) : bytes;
}

function changeOnce(bytes: Buffer, { inputs, words }: Material, dice: FuzzDice): Buffer {
  if (bytes.length === 0) return Buffer.from([dice.next(256)]);
  const at = dice.next(bytes.length);
  switch (dice.next(9)) {
    case 0:
      bytes[at] = (bytes[at] as number) ^ (1 << dice.next(8));
      return bytes;
    case 1:
      bytes[at] = dice.next(256);
      return bytes;
    case 2:
      return writeEdge(bytes, at, dice);
    case 3:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + dice.next(16))]);
    case 4:
      return splice(bytes, at, bytes.subarray(at, at + 1 + dice.next(32)));
    case 5:
      return splice(bytes, at, Buffer.from(Array.from({ length: 1 + dice.next(8) }, () => dice.next(256))));
    case 6:
      return words.length === 0 ? bytes : splice(bytes, at, words[dice.next(words.length)] as Uint8Array);
    case 7: {
      const other = inputs[dice.next(inputs.length)] as Uint8Array;
      return Buffer.concat([bytes.subarray(0, at), other.subarray(dice.next(other.length + 1))]);
    }
    default:
      return bytes.subarray(0, at);
  }
}

function splice(bytes: Buffer, at: number, piece: Uint8Array): Buffer {
  return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at)]);
}

function writeEdge(bytes: Buffer, at: number, dice: FuzzDice): Buffer {
  const value = EDGES[dice.next(EDGES.length)] as number;
  const width = [1, 2, 4, 8][dice.next(4)] as number;
  for (let index = 0; index < width && at + index < bytes.length; index += 1) {
    bytes[at + index] = index < 4 ? (value >>> (8 * index)) & 0xff : 0;
  }
  return bytes;
}
