/** What nodes said that they have, and programs registered. */
import type { CommitId } from "@swarmd/protocol";
import type { ShelfEntry } from "@swarmd/protocol/wire";

/** What one node said. */
export interface Shelf {
  epoch: number;
  /** Of the last full list that counted. */
  fullSequence: number;
  isUp: boolean;
  lastSeenMs: number;
  /** By repo and commit, and the revision that it was published as. */
  readonly entries: Map<string, SaidEntry>;
}

/** A full list goes over a stream and news by gossip, so one may overtake the other: each entry knows how old it is. */
export interface SaidEntry {
  readonly entry: ShelfEntry;
  readonly sequence: number;
}

/** What a program registered. */
export interface Registration {
  readonly node: string;
  readonly repo: string;
  readonly commit: CommitId | undefined;
  readonly seenMs: number;
}
