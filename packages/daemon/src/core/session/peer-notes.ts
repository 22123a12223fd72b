/** What a session learned while asking peers: whom to leave alone for which shard, whom to try, what waits until when. */
import type { NodeId } from "@swarmd/protocol";

/** `busy`: had no slot or not the shard yet. `failed`: does not count for this shard any more. */
type Kind = "busy" | "failed";

interface Avoidance {
  readonly kind: Kind;
  readonly untilMs: number;
}

const NOBODY: ReadonlySet<NodeId> = new Set();

export class PeerNotes {
  /** For rendezvous hashing. */
  readonly blobKey: number;
  /** Until then, wants of others may be on their way. */
  settleUntilMs = 0;
  /** Since when we take part. */
  startedMs = 0;
  /** Shards that can't be had before some time. */
  readonly waits = new Map<number, number>();
  /** Since when nothing could be done about a shard. */
  readonly waitingSince = new Map<number, number>();
  /** How often somebody failed: what was computed before leaves out the wrong nodes. */
  failures = 0;
  /** Shards of which wrong bytes are in the file. */
  readonly poisoned = new Set<number>();
  readonly #hints = new Map<number, readonly NodeId[]>();
  readonly #avoided = new Map<number, Map<NodeId, Avoidance>>();
  readonly #contributors = new Map<number, Set<NodeId>>();
  readonly #refusals = new Map<number, number>();

  constructor(blobKey: number) {
    this.blobKey = blobKey;
  }

  /** Peers that gave bytes of a shard that is not checked yet. */
  contributors(shard: number): ReadonlySet<NodeId> {
    return this.#contributors.get(shard) ?? NOBODY;
  }

  /** Shards to which a peer has given bytes, and that are not checked yet. */
  shardsFrom(peer: NodeId): number[] {
    return [...this.#contributors].filter(([, peers]) => peers.has(peer)).map(([shard]) => shard);
  }

  /** Nothing of the shard is left. */
  forgetContributors(shard: number): void {
    this.#contributors.delete(shard);
  }

  avoid(shard: number, peer: NodeId, kind: Kind, untilMs: number): void {
    let avoided = this.#avoided.get(shard);
    if (avoided === undefined) {
      avoided = new Map();
      this.#avoided.set(shard, avoided);
    }
    avoided.set(peer, { kind, untilMs });
    if (kind === "failed") this.failures += 1;
  }

  isAvoided(shard: number, peer: NodeId, nowMs: number, kind?: Kind): boolean {
    const avoidance = this.#avoided.get(shard)?.get(peer);
    return avoidance !== undefined && avoidance.untilMs > nowMs && (kind === undefined || avoidance.kind === kind);
  }

  /** Somebody failed us for this shard not long ago. */
  hasFailures(shard: number, nowMs: number): boolean {
    for (const { kind, untilMs } of this.#avoided.get(shard)?.values() ?? []) {
      if (kind === "failed" && untilMs > nowMs) return true;
    }
    return false;
  }

  /** @returns how often in a row the shard was refused, this time included. */
  refused(shard: number, hints: readonly NodeId[]): number {
    const refusals = (this.#refusals.get(shard) ?? 0) + 1;
    this.#refusals.set(shard, refusals);
    this.#hints.set(shard, hints);
    return refusals;
  }

  hints(shard: number): readonly NodeId[] {
    return this.#hints.get(shard) ?? [];
  }

  /** Bytes of the shard come, from this peer or from the origin. */
  flows(shard: number, peer: NodeId | undefined): void {
    this.#forgetRefusals(shard);
    if (peer === undefined) return;
    const contributors = this.#contributors.get(shard);
    if (contributors === undefined) this.#contributors.set(shard, new Set([peer]));
    else contributors.add(peer);
  }

  /** The shard is there. */
  done(shard: number): void {
    this.#forgetRefusals(shard);
    this.waits.delete(shard);
    this.#contributors.delete(shard);
    this.#avoided.delete(shard);
  }

  #forgetRefusals(shard: number): void {
    this.waitingSince.delete(shard);
    this.#refusals.delete(shard);
    this.#hints.delete(shard);
  }
}
