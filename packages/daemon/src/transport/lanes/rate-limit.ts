/**
 * A rate that all threads of the node share: a token bucket, kept as the time at which it will be empty again (GCRA). It can be
 * changed while in use.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { SwarmError } from "@swarmd/protocol";

/** What may be taken at once after a pause. */
const BURST_NS = 50_000_000n;
const NS_PER_S = 1_000_000_000;
const RATE = 0;
const FREE_AT = 1;
const CHANGES = 2;
const CELLS = 3;
/** Who waits looks this often whether the rate has changed meanwhile. */
const LOOK_MS = 200;

export class RateLimit {
  /** Hand it to another thread and make a `RateLimit` of it there: both count as one. */
  readonly shared: SharedArrayBuffer;
  readonly #cells: BigInt64Array;

  private constructor(shared: SharedArrayBuffer) {
    this.shared = shared;
    this.#cells = new BigInt64Array(shared);
  }

  /** @param bytesPerSecond `undefined`: no limit */
  static of(bytesPerSecond: number | undefined): RateLimit {
    const limit = new RateLimit(new SharedArrayBuffer(CELLS * BigInt64Array.BYTES_PER_ELEMENT));
    limit.set(bytesPerSecond);
    return limit;
  }

  /** The limit that another thread has handed over. */
  static join(shared: SharedArrayBuffer): RateLimit {
    return new RateLimit(shared);
  }

  get bytesPerSecond(): number | undefined {
    return Number(Atomics.load(this.#cells, RATE)) || undefined;
  }

  /** What waits begins anew within a moment, and goes by the new rate. */
  set(bytesPerSecond: number | undefined): void {
    Atomics.store(this.#cells, RATE, BigInt(Math.ceil(bytesPerSecond ?? 0)));
    Atomics.store(this.#cells, FREE_AT, 0n);
    Atomics.add(this.#cells, CHANGES, 1n);
  }

  /** Takes these bytes in any case and says how long to wait after them, in milliseconds. */
  reserve(bytes: number): number {
    const rate = Number(Atomics.load(this.#cells, RATE));
    if (rate === 0) return 0;
    const costNs = BigInt(Math.ceil((bytes / rate) * NS_PER_S));
    const nowNs = process.hrtime.bigint();
    for (;;) {
      const freeAt = Atomics.load(this.#cells, FREE_AT);
      // biome-ignore lint/complexity/useMathMinMax: Math.max takes no bigint.
      const next = (freeAt > nowNs ? freeAt : nowNs) + costNs;
      if (Atomics.compareExchange(this.#cells, FREE_AT, freeAt, next) !== freeAt) continue;
      const waitNs = next - BURST_NS - nowNs;
      return waitNs <= 0n ? 0 : Number(waitNs) / 1e6;
    }
  }

  /** Takes these bytes and waits as long as that takes. @throws SwarmError INTERRUPTED on abort */
  async take(bytes: number, { signal }: { readonly signal: AbortSignal }): Promise<void> {
    const waitMs = this.reserve(bytes);
    if (waitMs > 0) await this.waitOut(waitMs, { signal });
  }

  /** Waits for what {@link reserve} said, or until the rate is changed: then it no longer counts. @throws SwarmError INTERRUPTED on abort */
  async waitOut(waitMs: number, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    const changes = Atomics.load(this.#cells, CHANGES);
    for (let leftMs = waitMs; leftMs > 0 && Atomics.load(this.#cells, CHANGES) === changes; leftMs -= LOOK_MS) {
      await sleep(Math.min(leftMs, LOOK_MS), undefined, options).catch((cause) => {
        throw new SwarmError("INTERRUPTED", "a transfer was stopped while it waited for its turn", { cause });
      });
    }
  }
}
