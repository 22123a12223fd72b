/**
 * Who keeps a blob when several nodes make room at the same moment.
 *
 * A node that is about to drop a blob tells a holder that it relies on it, and drops only with that holder's promise. Whoever promises
 * gives up an intent of its own; of two that intend the same, the one with the higher rank promises and the other refuses, so one of
 * them keeps it. A promise needs no time limit: it is given by somebody who has the blob at that moment, and who needs the promise of
 * a third before it may drop it in its turn. So no order, delay or loss of messages makes two nodes drop what only they have.
 */
import type { BlobId, NodeId } from "@swarmd/protocol";

export interface PromisesOptions {
  readonly self: NodeId;
  /** The same on all nodes, different for different nodes. */
  readonly rank: (node: NodeId, blob: BlobId) => number;
}

/** Names one plan to drop a blob. */
export type Intent = number;

export class Promises {
  readonly #self: NodeId;
  readonly #rank: PromisesOptions["rank"];
  /** What we are about to drop, while we ask. */
  readonly #intents = new Map<BlobId, Intent>();
  #lastIntent = 0;

  constructor({ self, rank }: PromisesOptions) {
    this.#self = self;
    this.#rank = rank;
  }

  /** We are about to drop it. What was learned for an earlier intent does not count for this one. */
  intend(blob: BlobId): Intent {
    this.#lastIntent += 1;
    this.#intents.set(blob, this.#lastIntent);
    return this.#lastIntent;
  }

  /** We won't drop it after all, or have dropped it. */
  withdraw(blob: BlobId, intent: Intent): void {
    if (this.stands(blob, intent)) this.#intents.delete(blob);
  }

  /** Whether it may be dropped now, in this very turn: nobody was promised it since {@link intend}. */
  stands(blob: BlobId, intent: Intent): boolean {
    return this.#intents.get(blob) === intent;
  }

  /** A peer is about to drop a blob that we hold at this moment. @returns whether it may rely on us. */
  promise(peer: NodeId, blob: BlobId): boolean {
    if (this.#intents.has(blob) && this.#rank(this.#self, blob) < this.#rank(peer, blob)) return false;
    this.#intents.delete(blob);
    return true;
  }
}
