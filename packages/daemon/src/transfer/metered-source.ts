import type { BlobId } from "@swarmd/protocol";
import type { ByteSink, RangeSource } from "./ports.js";

/** The same source; says of each chunk of which blob it is and how long, when it arrives. */
export function meterSource(source: RangeSource, onBytes: (blob: BlobId, bytes: number) => void): RangeSource {
  return {
    read(blob, startBytes, endBytes, sink, options) {
      const metered: ByteSink = {
        write(chunk) {
          onBytes(blob, chunk.length);
          return sink.write(chunk);
        },
      };
      return source.read(blob, startBytes, endBytes, metered, options);
    },
  };
}
