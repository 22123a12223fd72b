/** Offers the LAN what the cache held before this node started. */
import type { BlobId } from "@swarmd/protocol";
import type { Cache, Visibility } from "./ports.js";

export interface OfferDeps {
  readonly cache: Cache;
  readonly visibility: Visibility;
  /** Called once per blob, however many repos have it. */
  readonly offer: (blob: { readonly id: BlobId; readonly sizeBytes: number; readonly isPrivate: boolean }) => void;
}

/**
 * Of each repo the origin is asked once whether it is public; what nobody can tell now counts as private, which strangers never
 * hear of. A blob that any public repo has is public. But another node's word that a blob is in a repo of its own makes none public that
 * this cache has of a private one: else whoever knows its digest could publish it, and ask for it.
 */
export async function offerCache(deps: OfferDeps, options: { readonly signal: AbortSignal }): Promise<void> {
  const repos = await deps.cache.repos(options);
  const offered = new Set<BlobId>();
  const held: (typeof repos)[number][] = [];
  const published: (typeof repos)[number][] = [];
  for (const cached of repos) {
    if (options.signal.aborted) return;
    const visibility = await deps.visibility.of(cached.repo, options).catch(() => "private" as const);
    if (visibility === "public") offerAll(cached.blobs, false);
    else (visibility === "published" ? published : held).push(cached);
  }
  for (const { blobs } of held) offerAll(blobs, true);
  for (const { blobs } of published) offerAll(blobs, false);

  function offerAll(blobs: (typeof repos)[number]["blobs"], isPrivate: boolean): void {
    for (const { id, sizeBytes } of blobs) {
      if (offered.has(id)) continue;
      offered.add(id);
      deps.offer({ id, sizeBytes, isPrivate });
    }
  }
}
