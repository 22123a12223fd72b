/** The lane without a network: what every real lane is held against. */
import type { RangeSource } from "@swarmd/daemon/transfer/ports";
import type { LaneHandler } from "@swarmd/daemon/transport/lanes/ports";
import { type NodeId, SwarmError } from "@swarmd/protocol";

export interface MemoryLaneOptions {
  /** Breaks off after so many bytes of each answer. */
  cutAfterBytes?: number;
}

export function memoryLane(handler: LaneHandler, asker: NodeId, options: MemoryLaneOptions = {}): RangeSource {
  return {
    async read(blob, startBytes, endBytes, sink, { signal }) {
      const answer = await handler.handle({ peer: asker, blob, startBytes, endBytes }, { signal });
      if (answer.kind === "refuse") {
        if (signal.aborted) throw new SwarmError("INTERRUPTED", "the asker left");
        const { code, message, redirect, retryAfterMs } = answer;
        throw new SwarmError(code, message, { redirect, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });
      }
      let leftBytes = options.cutAfterBytes ?? Number.POSITIVE_INFINITY;
      const cut = new AbortController();
      await answer.send(
        {
          async write(chunk) {
            const piece = Buffer.from(chunk.subarray(0, Math.min(chunk.length, leftBytes)));
            leftBytes -= piece.length;
            if (piece.length > 0) await sink.write(piece);
            if (leftBytes > 0) return;
            const error = new SwarmError("PEER_UNREACHABLE", "the connection was cut");
            cut.abort(error);
            throw error;
          },
        },
        { signal: AbortSignal.any([signal, cut.signal]) },
      );
    },
  };
}
