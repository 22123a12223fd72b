/** One attempt, as the engine ordered it. */
import type { BlobId, NodeId } from "@swarmd/protocol";
import type { FileSource, RangeSource, ShardSink } from "./ports.js";

export interface TransferOrder {
  readonly attempt: number;
  readonly blob: BlobId;
  readonly startBytes: number;
  readonly endBytes: number;
  readonly source: RangeSource | FileSource;
  readonly from: { readonly kind: "origin" } | { readonly kind: "peer"; readonly peer: NodeId };
  readonly sink: ShardSink;
}
