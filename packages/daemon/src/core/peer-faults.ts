/** What a failed attempt means for the peer and for the shard: blame, trust, back-off. */
import { type NodeId, shardStart } from "@swarmd/protocol";
import type { Peer } from "./catalog/catalog.js";
import type { Lifecycle } from "./lifecycle.js";
import type { Fault } from "./messages.js";
import { type Attempt, firstShard, lastShard } from "./session/attempt.js";
import type { Session } from "./session/session.js";
import type { EngineState } from "./state.js";

/** A refusing peer is asked again after so long, doubling up to eight times as long: it refuses quickly, and frees slots quickly. */
const BUSY_MS = 150;
/** So many peers are asked for a shard one after the other; then there is a wait before the next, longer each time. */
const FREE_TRIES = 16;
/** A peer that has not begun a shard after so many refusals in a row does not count for it. Fewer could be a lost want, and a second copy. */
const LACKING_TRIES = 6;
const WAIT_PER_REFUSAL_MS = 25;
const MOST_WAIT_MS = 400;
/** A peer that failed for a shard does not count for it so long. */
const FAILED_MS = 20_000;
/** A peer that failed is left alone; doubling. */
const PEER_BACK_OFF_MS = 1_000;
const PEER_BACK_OFF_MOST_MS = 30_000;
/**
 * A relay may have been deceived itself: whoever is on duty takes a whole window of shards from a liar before the first proves wrong. So
 * a relay is left alone for longer each time, and banned only after more wrong shards than that can explain.
 */
const MOST_STRIKES = 40;

export class PeerFaults {
  readonly #state: EngineState;
  readonly #lifecycle: Lifecycle;

  /** How often in a row each peer crawled. */
  readonly #crawls = new Map<NodeId, number>();

  constructor(state: EngineState, lifecycle: Lifecycle) {
    this.#state = state;
    this.#lifecycle = lifecycle;
  }

  /** An attempt at a peer ended with a fault; or one at the origin that went on from wrong bytes of a peer. */
  failed(attempt: Attempt, fault: Fault): void {
    const { source } = attempt;
    if (source.kind !== "peer") {
      this.#poison(attempt);
      return;
    }
    const peer = this.#state.catalog.peers.get(source.peer);
    switch (fault.code) {
      case "PEER_BUSY":
      case "PEER_LACKS":
        this.#refused(attempt, source.peer, fault.redirect ?? [], fault.code === "PEER_LACKS");
        break;
      case "PEER_DENIED":
        // Its rule for this blob, and no sign of weakness.
        this.#avoid(attempt, source.peer, "failed", FAILED_MS);
        break;
      case "PEER_CORRUPT":
        if (peer !== undefined) this.#strike(peer, this.#isCertain(attempt), fault.message);
        this.#poison(attempt);
        break;
      case "PEER_TAINTED":
        this.#poison(attempt);
        this.#avoid(attempt, source.peer, "busy", PEER_BACK_OFF_MS);
        break;
      default:
        if (!attempt.isCancelled) this.blame(attempt, source.peer);
    }
  }

  /** A peer broke off, could not be reached or stalled: it does not count for this shard, and for nothing at all for a while. */
  blame(attempt: Attempt, id: NodeId): void {
    this.#avoid(attempt, id, "failed", FAILED_MS);
    const peer = this.#state.catalog.peers.get(id);
    const isAliveElsewhere = [...this.#state.attempts.values()].some(
      ({ source, progressMs, startedMs }) =>
        source.kind === "peer" &&
        source.peer === id &&
        progressMs > startedMs &&
        this.#state.awakeMs - progressMs < PEER_BACK_OFF_MS,
    );
    if (peer === undefined || isAliveElsewhere) return;
    peer.failures += 1;
    this.#leaveAlone(peer, peer.failures);
  }

  /** What came from this peer crawled. Its own source may be to blame, so only the second time in a row counts. */
  crawled(id: NodeId): void {
    const crawls = (this.#crawls.get(id) ?? 0) + 1;
    this.#crawls.set(id, crawls);
    const peer = this.#state.catalog.peers.get(id);
    if (peer !== undefined && crawls > 1) this.#leaveAlone(peer, 1 + crawls);
  }

  /** The peer brought all that it was asked for. */
  brought(id: NodeId): void {
    this.#crawls.delete(id);
  }

  #leaveAlone(peer: Peer, doublings: number): void {
    const delayMs = Math.min(PEER_BACK_OFF_MOST_MS, PEER_BACK_OFF_MS * 2 ** doublings);
    this.#state.catalog.leaveAlone(peer, this.#state.nowMs + delayMs);
  }

  /** Its attestation vouched for wrong bytes, or it sent what it claimed to have checked, and it was wrong: no accident. */
  ban(id: NodeId, why: string): void {
    const { catalog, self, nowMs } = this.#state;
    if (id === self?.id || catalog.peers.get(id)?.isBanned === true) return;
    catalog.ban(id, nowMs);
    this.#state.emit({ type: "ban", peer: id, why });
    for (const session of this.#state.sessions.values()) {
      for (const shard of session.notes.shardsFrom(id)) this.#drop(session, shard);
    }
    for (const attempt of this.#state.attempts.values()) {
      if (attempt.source.kind === "peer" && attempt.source.peer === id) this.#lifecycle.cancel(attempt);
    }
  }

  #refused(attempt: Attempt, peer: NodeId, redirect: readonly NodeId[], isLacking: boolean): void {
    const { session } = attempt;
    const refusals = session.notes.refused(firstShard(attempt), redirect);
    const spread = 0.75 + this.#state.options.random() / 2;
    this.#avoid(attempt, peer, "busy", BUSY_MS * 2 ** Math.min(3, Math.floor(refusals / 4)) * spread);
    // It should have the shard or be getting it by now; on duty, it seems to be overcharged: the next in order goes on.
    if (isLacking && refusals >= LACKING_TRIES) this.#avoid(attempt, peer, "failed", FAILED_MS);
    if (refusals <= FREE_TRIES) return;
    const waitMs = Math.min(MOST_WAIT_MS, WAIT_PER_REFUSAL_MS * refusals) * spread;
    session.notes.waits.set(firstShard(attempt), this.#state.nowMs + waitMs);
  }

  #avoid(attempt: Attempt, peer: NodeId, kind: "busy" | "failed", forMs: number): void {
    const untilMs = this.#state.nowMs + forMs;
    for (let shard = firstShard(attempt); shard <= lastShard(attempt); shard += 1) {
      attempt.session.notes.avoid(shard, peer, kind, untilMs);
    }
  }

  /** Wrong bytes are in the file: what is there of these shards is worthless, and so is what we passed on of them. */
  #poison(attempt: Attempt): void {
    for (let shard = firstShard(attempt); shard <= lastShard(attempt); shard += 1) this.#drop(attempt.session, shard);
  }

  /** Attempts that go on from wrong bytes have to stop before the shard can begin anew. */
  #drop(session: Session, shard: number): void {
    const state = session.shards.state(shard);
    if (state.kind === "checked" || state.kind === "verified") return;
    this.stopServing(session.blob, shard);
    if (state.kind === "absent") {
      session.shards.forget(shard);
      session.notes.forgetContributors(shard);
      return;
    }
    session.notes.poisoned.add(shard);
    for (const id of state.attempts) {
      const attempt = this.#state.attempts.get(id);
      if (attempt !== undefined) this.#lifecycle.cancel(attempt);
    }
  }

  /** Breaks off all uploads of a shard that proved wrong. */
  stopServing(blob: string, shard: number): void {
    for (const upload of this.#state.uploads.values()) {
      if (upload.blob === blob && upload.shard === shard) {
        this.#state.emit({ type: "stop-serving", request: upload.request });
      }
    }
  }

  /** It said that it holds the shard, and all of it came from there: then nobody else can be to blame. */
  #isCertain(attempt: Attempt): boolean {
    const { session, startBytes, reason, source } = attempt;
    // What was there before may have come from anybody: contributors are not kept over restarts.
    const isAlone = session.notes.contributors(firstShard(attempt)).size <= 1;
    const isAll = startBytes === shardStart(firstShard(attempt), session.shards.shardBytes);
    return isAlone && isAll && reason !== "relay" && source.kind === "peer";
  }

  #strike(peer: Peer, isCertain: boolean, why: string): void {
    peer.strikes += 1;
    if (isCertain || peer.strikes >= MOST_STRIKES) this.ban(peer.id, why);
    else this.#leaveAlone(peer, Math.floor(peer.strikes / 4));
  }
}
