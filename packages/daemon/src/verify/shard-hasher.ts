/**
 * BLAKE3 over shards: the native library where it loads, WebAssembly elsewhere. Both give the same bytes and behave the same
 * (`shard-hasher.test.ts` holds them to one suite); the native one is several times faster.
 */
import type { IHasher } from "hash-wasm";

/** BLAKE3 over one shard, fed in order. The same shape as the transfer room's port of that name. */
export interface ShardHasher {
  update(chunk: Uint8Array): void;
  /** The hash of all bytes so far; more may follow. 32 bytes. */
  digest(): Uint8Array;
}

/** Makes hashers; loaded once per process. */
export interface Blake3 {
  readonly implementation: "native" | "wasm";
  createShardHasher(): ShardHasher;
}

/** The fastest BLAKE3 this machine can load. */
export async function loadBlake3(): Promise<Blake3> {
  try {
    return await loadNativeBlake3();
  } catch {
    // No prebuilt binding for this platform: slower, but the same hashes.
    return loadWasmBlake3();
  }
}

/** @throws whatever the loader throws where there is no binding for this platform. */
export async function loadNativeBlake3(): Promise<Blake3> {
  const { Blake3Hasher } = await import("@napi-rs/blake-hash");
  return {
    implementation: "native",
    createShardHasher() {
      const hasher = new Blake3Hasher();
      return {
        update(chunk) {
          hasher.update(asBuffer(chunk));
        },
        // The binding finalizes a copy of its state, so updates may follow.
        digest: () => hasher.digestBuffer(),
      };
    },
  };
}

/** One WebAssembly instance for all hashers: each keeps its state (2 KiB) outside and loads it for an update. */
export async function loadWasmBlake3(): Promise<Blake3> {
  const { createBLAKE3 } = await import("hash-wasm");
  const engine = await createBLAKE3();
  return { implementation: "wasm", createShardHasher: () => new WasmShardHasher(engine) };
}

class WasmShardHasher implements ShardHasher {
  readonly #engine: IHasher;
  #state: Uint8Array;

  constructor(engine: IHasher) {
    this.#engine = engine;
    this.#state = engine.init().save();
  }

  update(chunk: Uint8Array): void {
    this.#state = this.#engine.load(this.#state).update(chunk).save();
  }

  digest(): Uint8Array {
    return this.#engine.load(this.#state).digest("binary");
  }
}

function asBuffer(chunk: Uint8Array): Buffer {
  return Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}
