/** One at a time per key, inside this process. */
import { throwIfAborted } from "./disk-faults.js";

export class KeyedMutex {
  readonly #held = new Map<string, Promise<void>>();

  /** Waits for the key and takes it; the function returned gives it back. @throws SwarmError INTERRUPTED on abort. */
  async take(key: string, { signal }: { readonly signal: AbortSignal }): Promise<() => void> {
    for (;;) {
      throwIfAborted(signal);
      const held = this.#held.get(key);
      if (held === undefined) return this.#hold(key);
      await untilEither(held, signal);
    }
  }

  #hold(key: string): () => void {
    let free: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      free = resolve;
    });
    this.#held.set(key, held);
    return () => {
      if (this.#held.get(key) === held) this.#held.delete(key);
      free();
    };
  }
}

async function untilEither(held: Promise<void>, signal: AbortSignal): Promise<void> {
  let onAbort: () => void = () => undefined;
  const aborted = new Promise<void>((resolve) => {
    onAbort = resolve;
    signal.addEventListener("abort", onAbort, { once: true });
  });
  await Promise.race([held, aborted]);
  signal.removeEventListener("abort", onAbort);
}
