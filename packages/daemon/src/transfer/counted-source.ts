import type { RangeSource } from "./ports.js";

/** What one read brought, however it ended. */
export interface CountedRead {
  readonly bytes: number;
  readonly elapsedMs: number;
}

/** The same source; says of each read that brought something how much, and how long it took. */
export function countSource(source: RangeSource, onRead: (read: CountedRead) => void): RangeSource {
  return {
    async read(blob, startBytes, endBytes, sink, options) {
      const startedMs = performance.now();
      let bytes = 0;
      const write = (chunk: Uint8Array) => {
        bytes += chunk.length;
        return sink.write(chunk);
      };
      try {
        await source.read(blob, startBytes, endBytes, { write }, options);
      } finally {
        if (bytes > 0) onRead({ bytes, elapsedMs: performance.now() - startedMs });
      }
    },
  };
}
