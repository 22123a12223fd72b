/** The life of one shard. */
import type { AttemptId } from "../messages.js";

/** Watermarks count from the start of the shard. Two attempts at once only for a hedge or the endgame. */
export type ShardState =
  | { readonly kind: "absent"; readonly watermarkBytes: number }
  | { readonly kind: "assigned"; readonly watermarkBytes: number; readonly attempts: readonly AttemptId[] }
  | { readonly kind: "arriving"; readonly watermarkBytes: number; readonly attempts: readonly AttemptId[] }
  | { readonly kind: "checked" }
  | { readonly kind: "verified" };

/** Shared by all shards in the state that most shards are in. */
export const ABSENT: ShardState = { kind: "absent", watermarkBytes: 0 };
export const CHECKED: ShardState = { kind: "checked" };
export const VERIFIED: ShardState = { kind: "verified" };
