/** What the tests of the origin room share: an origin that does not pause between its tries, and sinks. */
import type { EventLog } from "@swarmd/daemon/observe/events";
import { Origin, type OriginOptions } from "@swarmd/daemon/origin/origin";
import type { ByteSink } from "@swarmd/daemon/origin/ports";

export const NEVER: AbortSignal = new AbortController().signal;

/** Deadlines for a test that waits for one; all others have the real ones. */
export const IMPATIENT = { idleTimeoutMs: 150, headersTimeoutMs: 150 };

export function makeOrigin(endpoint: string, options: Partial<OriginOptions> = {}, events?: EventLog): Origin {
  const all = {
    endpoint,
    token: undefined,
    workers: 10,
    version: "0.0.0-test",
    retryBaseMs: 1,
    ...options,
  };
  return new Origin(all, events === undefined ? {} : { events });
}

/** Keeps what it gets. */
export class MemorySink implements ByteSink {
  readonly chunks: Uint8Array[] = [];
  /** Called after each chunk; may hold the reader. */
  readonly #afterWrite: (sizeBytes: number) => Promise<void> | undefined;

  constructor(afterWrite: (sizeBytes: number) => Promise<void> | undefined = () => undefined) {
    this.#afterWrite = afterWrite;
  }

  write(chunk: Uint8Array): Promise<void> | undefined {
    this.chunks.push(chunk);
    return this.#afterWrite(this.sizeBytes);
  }

  get sizeBytes(): number {
    return this.chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }
}
