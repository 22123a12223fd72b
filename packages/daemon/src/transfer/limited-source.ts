import type { ByteSink, RangeSource } from "./ports.js";

/** A rate that many readers share. */
export interface ByteLimit {
  /** `undefined`: no limit. */
  readonly bytesPerSecond: number | undefined;
  /** Resolves when so many bytes may pass. */
  take(bytes: number, options: { readonly signal: AbortSignal }): Promise<void>;
}

/** The same source, no faster than the limit: after each chunk the reading waits for its turn. */
export function limitSource(source: RangeSource, limit: ByteLimit): RangeSource {
  return {
    read(blob, startBytes, endBytes, sink, { signal }) {
      const slowed: ByteSink = {
        write(chunk) {
          const taken = sink.write(chunk);
          if (limit.bytesPerSecond === undefined) return taken;
          return Promise.all([taken, limit.take(chunk.length, { signal })]).then(() => undefined);
        },
      };
      return source.read(blob, startBytes, endBytes, slowed, { signal });
    },
  };
}
