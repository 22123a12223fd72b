/** Which shard is due next: heads of all blobs, then small blobs, then the others, each by its pull's wish. */
import type { Session } from "./session/session.js";

/** A blob of one shard is done with one request: having it early lets loaders read configs and tokenizers. */
export function isSmall(session: Session): boolean {
  return session.shards.count <= 1;
}

/**
 * Of so many places, those that are left free while readers wait, for small blobs and for what readers ask for next: these must not stand
 * behind shards of 16 MiB that nobody waits for.
 */
export function seatsForReaders(places: number, isReaderWaiting: boolean): number {
  return isReaderWaiting && places >= 4 ? Math.min(2, Math.floor(places / 4)) : 0;
}

/** Small before big, then by `order`, then by the order of wanting. */
export function compareSessions(a: Session, b: Session): number {
  const small = Number(isSmall(b)) - Number(isSmall(a));
  if (small !== 0) return small;
  return a.order - b.order || a.sequence - b.sequence;
}

/** The first absent shard that holds bytes of the head, or -1. */
export function nextHead(session: Session, from = 0): number {
  const shard = session.shards.absent.next(from);
  return shard !== -1 && shard < session.headShards ? shard : -1;
}
