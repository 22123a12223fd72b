import { type BlobId, SwarmError } from "@swarmd/protocol";
import type { BlobSources, BlobWants, WantRequest } from "./ports.js";

/** Where the bytes of one pull came from. */
export class SourceTally {
  fromOriginBytes = 0;
  fromCacheBytes = 0;
  readonly #peers = new Map<string, { peer: string; link: string; bytes: number }>();

  /** Counts a blob that was fetched; what it did not get from anybody was there before. */
  addFetched(sizeBytes: number, sources: BlobSources): "origin" | "peers" | "cache" | "mixed" {
    const fromOrigin = sources.fromOriginBytes;
    let fromPeers = 0;
    for (const { peer, link, bytes } of sources.fromPeers) {
      const known = this.#peers.get(`${peer} ${link}`);
      if (known === undefined) this.#peers.set(`${peer} ${link}`, { peer, link, bytes });
      else known.bytes += bytes;
      fromPeers += bytes;
    }
    this.fromOriginBytes += fromOrigin;
    this.fromCacheBytes += Math.max(0, sizeBytes - fromOrigin - fromPeers);
    if (fromOrigin > 0) return fromPeers > 0 ? "mixed" : "origin";
    return fromPeers > 0 ? "peers" : "cache";
  }

  addCached(sizeBytes: number): void {
    this.fromCacheBytes += sizeBytes;
  }

  get sources(): readonly { readonly peer: string; readonly link: string; readonly bytes: number }[] {
    return [...this.#peers.values()];
  }

  get fromPeersBytes(): number {
    return this.sources.reduce((sum, { bytes }) => sum + bytes, 0);
  }
}

/**
 * Wants all these blobs and handles each as it arrives. The first that can't be had ends the pull: the others are taken
 * back, and what was fetched of them stays for the next try.
 *
 * @throws SwarmError the first failure; INTERRUPTED when the signal aborts
 */
export async function wantAll(
  wants: BlobWants,
  requests: readonly WantRequest[],
  onPresent: (blob: BlobId, sources: BlobSources) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  if (signal.aborted) throw new SwarmError("INTERRUPTED", "the pull was stopped");
  const takeBack = () => {
    for (const { pull, blob } of requests) wants.unwant(pull, blob);
  };
  signal.addEventListener("abort", takeBack, { once: true });
  try {
    const all = requests.map(async (request) => {
      await onPresent(request.blob, await wants.want(request));
    });
    try {
      await Promise.all(all);
    } catch (error) {
      takeBack();
      await Promise.allSettled(all);
      throw error;
    }
  } finally {
    signal.removeEventListener("abort", takeBack);
  }
}
