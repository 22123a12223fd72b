/**
 * The WebAssembly half of the hash tree: the scan for cut points and BLAKE3's compression, four inputs at a time. Sources and build
 * are in `packages/daemon/wasm`; this file knows the layout of its memory. Each instance has memory of its own and serves one thing.
 */
import { gearTableBytes } from "./gear-table.js";
import { XET_WASM_BINARY } from "./xet-wasm-binary.js";

/** As much of the standard's types as is used here: the compiler knows them only together with a browser's. */
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object;
  Memory: new (pages: { initial: number }) => { readonly buffer: ArrayBuffer };
  Instance: new (module: object, imports: object) => { readonly exports: object };
};

interface Exports {
  /** Address behind the byte at which a cut falls, or 0. */
  scan(start: number, end: number): number;
  /** Four chaining values at `out`; see `wasm/blake3-wat.mjs`. */
  hash4(
    p0: number,
    p1: number,
    p2: number,
    p3: number,
    bytes: number,
    counter: number,
    step: 0 | 1,
    flags: number,
    first: number,
    last: number,
    key: number,
    out: number,
  ): void;
}

export interface XetWasm extends Exports {
  /** All of its memory; grows never, so views of it stay good. */
  readonly memory: Uint8Array;
}

/** Where the rolling hash lies between two scans. */
export const GEAR_STATE = 2048;
/** The key of BLAKE3, 32 bytes. */
export const KEY_AT = 2080;
/** Room for the 64 bytes of one parent: two chaining values. */
export const PARENT_AT = 2112;
/** Chaining values of all leaves of one chunk. */
export const VALUES_AT = 4096;
/** From here on, memory is for the caller's bytes. */
export const BYTES_AT = 65_536;

const PAGE_BYTES = 65_536;
let compiled: object | undefined;

/** @param roomBytes how many bytes the caller may put at `BYTES_AT`. */
export function createXetWasm(roomBytes: number): XetWasm {
  compiled ??= new WebAssembly.Module(Buffer.from(XET_WASM_BINARY, "base64"));
  const memory = new WebAssembly.Memory({ initial: Math.ceil((BYTES_AT + roomBytes) / PAGE_BYTES) });
  const { exports } = new WebAssembly.Instance(compiled, { env: { memory } });
  const bytes = new Uint8Array(memory.buffer);
  bytes.set(gearTableBytes());
  const { scan, hash4 } = exports as Exports;
  return { memory: bytes, scan, hash4 };
}
