/**
 * BLAKE3 with a key: the native library where it loads, our own WebAssembly elsewhere. Both give the same hashes
 * (`keyed-blake3.test.ts` holds them to one suite); the native one is several times faster.
 */
import { Blake3Tree } from "./blake3-tree.js";
import { CHUNK_BYTES_MAX } from "./chunker.js";

/** One message at a time, fed in order, of at most 128 KiB: no chunk and no node is longer. */
export interface KeyedHasher {
  update(bytes: Uint8Array): void;
  /** The hash of all bytes since the last digest, 32 bytes; the next message may follow. */
  digest(): Uint8Array;
}

export interface KeyedBlake3 {
  readonly implementation: "native" | "wasm";
  /** @param key 32 bytes. */
  createHasher(key: Uint8Array): KeyedHasher;
}

/** The fastest this machine can load. */
export async function loadKeyedBlake3(): Promise<KeyedBlake3> {
  try {
    return await loadNativeKeyedBlake3();
  } catch {
    // No prebuilt binding for this platform: slower, but the same hashes.
    return createWasmKeyedBlake3();
  }
}

/** @throws whatever the loader throws where there is no binding for this platform. */
export async function loadNativeKeyedBlake3(): Promise<KeyedBlake3> {
  const { Blake3Hasher } = await import("@napi-rs/blake-hash");
  return {
    implementation: "native",
    createHasher(key) {
      const hasher = Blake3Hasher.newKeyed(Buffer.from(key));
      return {
        update(bytes) {
          hasher.update(bytes);
        },
        digest() {
          // Through text: a Buffer of the library's own has a finalizer, which costs more than the hash of a small message.
          const hex = hasher.digest();
          // Keeps the key.
          hasher.reset();
          return Buffer.from(hex, "hex");
        },
      };
    },
  };
}

export function createWasmKeyedBlake3(): KeyedBlake3 {
  return { implementation: "wasm", createHasher: (key) => new WasmHasher(key) };
}

class WasmHasher implements KeyedHasher {
  readonly #tree: Blake3Tree;
  readonly #message = new Uint8Array(CHUNK_BYTES_MAX);
  #bytes = 0;

  constructor(key: Uint8Array) {
    this.#tree = new Blake3Tree(key);
  }

  update(bytes: Uint8Array): void {
    this.#message.set(bytes, this.#bytes);
    this.#bytes += bytes.length;
  }

  digest(): Uint8Array {
    const message = this.#message.subarray(0, this.#bytes);
    this.#bytes = 0;
    return this.#tree.hash(message);
  }
}
