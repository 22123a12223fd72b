/**
 * What the locate room needs of others.
 *
 * *Purpose*: which node has which repo, by name. *In*: what nodes say of their shelves, what programs register, what is in this cache.
 * *Out*: lists of nodes, news of this node's own shelf. *Never*: says anything of a repo that is not for everybody who can hear it, or
 * lets what others say grow without bound.
 */
import type { NodeId } from "@swarmd/protocol";
import type { ShelfNews } from "@swarmd/protocol/wire";

/** A small text that outlives the process. */
export interface Records {
  /** `undefined` when nothing was written yet. */
  read(): Promise<string | undefined>;
  /** @throws SwarmError NO_SPACE, STORE_FAULT */
  write(text: string): Promise<void>;
}

/** Carries news to the LAN. Never throws. */
export interface ShelfNetwork {
  /** To everybody who listens. */
  announce(news: ShelfNews): void;
  /** To one peer, over a stream. */
  tell(peer: NodeId, news: readonly ShelfNews[]): void;
}
