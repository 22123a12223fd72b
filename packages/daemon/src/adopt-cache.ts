/** What the cache held before this node started: found, and offered to the LAN once it is known to be public. */
import { parseRevision, type RepoRef, toSwarmError } from "@swarmd/protocol";
import { offerCache } from "./announce/offer-cache.js";
import type { NodeFaces } from "./node-faces.js";
import type { Origin } from "./origin/origin.js";
import type { Proofs } from "./proofs.js";
import type { Pump } from "./pump.js";
import type { BlobStore } from "./store/blob-store.js";
import { listRepos } from "./store/listing.js";
import type { VisibilityRecords } from "./store/visibility-records.js";

export interface AdoptDeps {
  readonly store: BlobStore;
  readonly visibility: VisibilityRecords;
  readonly origin: Origin;
  readonly pump: Pump;
  readonly proofs: Proofs;
  /** What of it was published, and by whom. */
  readonly faces: NodeFaces;
  /** The origin may not be asked: what it said earlier counts. */
  readonly offline: boolean;
  /** Nobody is to be offered anything. */
  readonly noPeer: boolean;
}

interface Cancellable {
  readonly signal: AbortSignal;
}

/** What fails here only makes the node know and offer less. */
export async function adoptCache(deps: AdoptDeps, signal: AbortSignal): Promise<void> {
  const { store, pump, proofs, noPeer } = deps;
  try {
    await store.adopt({ signal });
    if (noPeer) return;
    await proofs.adopt({ signal });
    await offerCache(
      {
        cache: { repos: (options) => listRepos(store.cacheDir, options) },
        visibility: { of: (repo, options) => visibilityOf(repo, deps, options) },
        // Removed while the origin was being asked: then there is nothing to offer.
        offer: (blob) => store.has(blob.id) && pump.push({ type: "have", blob: { ...blob, origin: "ranges" } }),
      },
      { signal },
    );
    deps.faces.look();
  } catch {
    // Aborted by the end of the node, or a cache that can't be read: pulls say so themselves.
  }
}

/** By the origin's word of now or, when it can't be asked, by its last one; by its publisher's for a repo that no origin has. */
async function visibilityOf(
  repo: RepoRef,
  deps: AdoptDeps,
  options: Cancellable,
): Promise<"public" | "published" | "private"> {
  const published = await deps.faces.standingOf(repo);
  if (published !== undefined) return published;
  if (!deps.offline) await askOrigin(repo, deps, options);
  const known = await deps.visibility.find(repo);
  return known !== undefined && !known.isPrivate && !known.isGated ? "public" : "private";
}

async function askOrigin(repo: RepoRef, { origin, visibility }: AdoptDeps, options: Cancellable): Promise<void> {
  try {
    await visibility.note(repo, await origin.hub.resolve(repo, parseRevision("main"), options));
  } catch (error) {
    const { code } = toSwarmError(error);
    if (code === "REPO_NOT_FOUND" || code.startsWith("ACCESS_")) await visibility.note(repo, undefined);
  }
}
