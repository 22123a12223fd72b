/** Blobs -> bytes from their origins. */
import { type BlobId, SwarmError } from "@swarmd/protocol";
import { FileReader } from "./file-reader.js";
import type { HubOptions } from "./hub-origin.js";
import type { OriginDeps } from "./origin-http.js";
import type { ByteSink } from "./ports.js";
import { type Locator, rangeTargetOf } from "./range-target.js";

interface Entry {
  /** What was registered, in one comparable piece. */
  readonly key: string;
  readonly sizeBytes: number;
  readonly reader: FileReader;
}

/** Fits the transfer room's `RangeSource`. */
export class OriginSources {
  readonly #hub: HubOptions;
  readonly #deps: OriginDeps;
  readonly #entries = new Map<BlobId, Entry>();

  constructor(hub: HubOptions, deps: OriginDeps) {
    this.#hub = hub;
    this.#deps = deps;
  }

  /**
   * Says where a blob can be had. The same again changes nothing (a signed URL that was found stays in use); another place replaces the
   * first for reads that begin from now on.
   *
   * @throws SwarmError USAGE, UNSAFE_FILE_NAME for a locator that can't be asked for
   */
  register(blob: BlobId, locator: Locator): void {
    const key = JSON.stringify(locator);
    if (this.#entries.get(blob)?.key === key) return;
    const reader = new FileReader(rangeTargetOf(blob, locator, this.#hub), this.#deps);
    this.#entries.set(blob, { key, sizeBytes: locator.sizeBytes, reader });
  }

  /** Reads under way go on. With `locator`, only what was registered with it is forgotten. */
  unregister(blob: BlobId, locator?: Locator): void {
    if (locator !== undefined && this.#entries.get(blob)?.key !== JSON.stringify(locator)) return;
    this.#entries.delete(blob);
  }

  has(blob: BlobId): boolean {
    return this.#entries.has(blob);
  }

  /**
   * Streams exactly `[startBytes, endBytes)` into the sink. Nothing is tried twice once bytes have come.
   *
   * @throws SwarmError ORIGIN_UNREACHABLE, ORIGIN_STALLED, ORIGIN_FAULT, ORIGIN_BUSY (`retryAfterMs`), ORIGIN_CHANGED; ORIGIN_NO_RANGES for a
   * part of a file whose server sends only the whole; ACCESS_*, *_NOT_FOUND; NO_SOURCE for a blob that is not registered; INTERRUPTED
   */
  async read(
    blob: BlobId,
    startBytes: number,
    endBytes: number,
    sink: ByteSink,
    options: { readonly signal: AbortSignal },
  ): Promise<void> {
    const entry = this.#entries.get(blob);
    if (entry === undefined) throw new SwarmError("NO_SOURCE", `no origin is known for ${blob}`);
    if (!(startBytes >= 0 && startBytes <= endBytes && endBytes <= entry.sizeBytes)) {
      throw new SwarmError(
        "INTERNAL",
        `bytes ${startBytes}-${endBytes} are not within the ${entry.sizeBytes} of ${blob}`,
      );
    }
    if (startBytes === endBytes) return;
    await entry.reader.read({ startBytes, endBytes }, sink, options);
  }
}
