/**
 * The proofs of a file that is still arriving, as they came: one after the other in a log, so that who holds some shards can
 * hand their proofs on.
 *
 * A record is a proof and its length before it (4 bytes). A torn end is ignored. Nothing read from here is believed: a proof is decoded
 * against the file's hash again before it is used.
 */
import { appendFile, open } from "node:fs/promises";
import type { RangeProof } from "./proof.js";
import { type Anchor, decodeProof, encodeProof, PROOF_BYTES_MAX, peekRange, RANGE_HEAD_BYTES } from "./proof-codec.js";
import type { XetHasher } from "./xet-hash.js";

const LENGTH_BYTES = 4;

interface Entry {
  readonly startBytes: number;
  readonly endBytes: number;
  readonly at: number;
  readonly length: number;
}

export class ProofLog {
  readonly #path: string;
  readonly #anchor: Anchor;
  readonly #hasher: XetHasher;
  readonly #entries: Entry[] = [];
  #endBytes = 0;
  #queue: Promise<unknown> = Promise.resolve();

  private constructor(path: string, anchor: Anchor, hasher: XetHasher) {
    this.#path = path;
    this.#anchor = anchor;
    this.#hasher = hasher;
  }

  /** Looks through what is there; cuts off a torn end. */
  static async open(path: string, anchor: Anchor, hasher: XetHasher): Promise<ProofLog> {
    const log = new ProofLog(path, anchor, hasher);
    const handle = await open(path, "r+").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    });
    if (handle === undefined) return log;
    try {
      const { size } = await handle.stat();
      const head = Buffer.alloc(LENGTH_BYTES + RANGE_HEAD_BYTES);
      for (;;) {
        const { bytesRead } = await handle.read(head, 0, head.length, log.#endBytes);
        const length = bytesRead < head.length ? 0 : head.readUInt32LE();
        const range = peekRange(head.subarray(LENGTH_BYTES));
        const isWhole = length > 0 && length <= PROOF_BYTES_MAX && log.#endBytes + LENGTH_BYTES + length <= size;
        if (!isWhole || range === undefined) break;
        log.#note(range, length);
      }
      if (log.#endBytes < size) await handle.truncate(log.#endBytes);
    } finally {
      await handle.close();
    }
    return log;
  }

  /** Keeps a proof; a range that is known is not kept twice. Resolves with the bytes it took. */
  add(proof: RangeProof): Promise<number> {
    return this.addBytes(encodeProof(proof));
  }

  /** As {@link add}. What has no range is not kept. */
  addBytes(bytes: Uint8Array): Promise<number> {
    const turn = this.#queue.then(async () => {
      const range = peekRange(bytes.subarray(0, RANGE_HEAD_BYTES));
      if (range === undefined || this.#find(range.startBytes, range.endBytes) !== undefined) return 0;
      const length = Buffer.alloc(LENGTH_BYTES);
      length.writeUInt32LE(bytes.length);
      await appendFile(this.#path, Buffer.concat([length, bytes]), { mode: 0o600 });
      this.#note(range, bytes.length);
      return LENGTH_BYTES + bytes.length;
    });
    this.#queue = turn.catch(() => {});
    return turn;
  }

  /** The proof of exactly this range, as it came. */
  async findExact(startBytes: number, endBytes: number): Promise<Uint8Array | undefined> {
    const entry = this.#find(startBytes, endBytes);
    if (entry === undefined) return undefined;
    const bytes = await this.#read([entry]);
    return bytes[0] !== undefined && this.#decode(bytes[0]) !== undefined ? bytes[0] : undefined;
  }

  /** All proofs that touch the range. */
  async findTouching(startBytes: number, endBytes: number): Promise<RangeProof[]> {
    const entries = this.#entries.filter((entry) => entry.startBytes < endBytes && entry.endBytes > startBytes);
    return (await this.#read(entries)).map((bytes) => this.#decode(bytes)).filter((proof) => proof !== undefined);
  }

  #find(startBytes: number, endBytes: number): Entry | undefined {
    return this.#entries.find((entry) => entry.startBytes === startBytes && entry.endBytes === endBytes);
  }

  #note({ startBytes, endBytes }: { readonly startBytes: number; readonly endBytes: number }, length: number): void {
    this.#entries.push({ startBytes, endBytes, at: this.#endBytes + LENGTH_BYTES, length });
    this.#endBytes += LENGTH_BYTES + length;
  }

  async #read(entries: readonly Entry[]): Promise<Buffer[]> {
    if (entries.length === 0) return [];
    const handle = await open(this.#path, "r");
    try {
      const bytes: Buffer[] = [];
      for (const { at, length } of entries) {
        const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(length), 0, length, at);
        bytes.push(buffer.subarray(0, bytesRead));
      }
      return bytes;
    } finally {
      await handle.close();
    }
  }

  #decode(bytes: Uint8Array): RangeProof | undefined {
    try {
      return decodeProof(bytes, this.#anchor, this.#hasher);
    } catch {
      // The disk damaged it, or another program did: it is as if it had never been there.
      return undefined;
    }
  }
}
