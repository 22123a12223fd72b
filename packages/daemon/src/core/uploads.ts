/** Peers ask: who gets a slot, who is sent elsewhere. */
import type { BlobId, NodeId } from "@swarmd/protocol";
import { isUsable } from "./catalog/catalog.js";
import type { Input, RequestId } from "./messages.js";
import { areSeedsScarce } from "./planner/scarce.js";
import { fastThreshold } from "./planner/tiers.js";
import { admit, loadOf, type Standing, type Verdict } from "./policy/admit.js";
import type { Session } from "./session/session.js";
import type { EngineState, Upload } from "./state.js";
import type { SwarmPlanner } from "./swarm-planner.js";

/** A child waits so long for its parent: below the least patience of a follower, so that it is told before it gives up by itself. */
const PARKED_MS = 500;
/** More than the children that a node has at a time. */
const MOST_PARKED = 128;

type Asked = Extract<Input, { readonly type: "asked" }>;

/** Others to name when we can't serve: looking at more would cost more than it helps. */
const MOST_OTHERS = 4;

export class Uploads {
  readonly #state: EngineState;
  readonly #planner: SwarmPlanner;
  /** Children that wait for a shard to begin, or for a slot. */
  readonly #parked = new Map<RequestId, { readonly asked: Asked; readonly untilMs: number }>();
  /** As a seed: to whom each shard was given, so that it leaves us once. */
  readonly #given = new Map<BlobId, Map<number, NodeId>>();

  constructor(state: EngineState, planner: SwarmPlanner) {
    this.#state = state;
    this.#planner = planner;
  }

  /** Answers at once, or within {@link PARKED_MS}: a child of ours in the shard's tree, or a slow asker, waits here rather than asking again and again. */
  asked(asked: Asked): void {
    const { request } = asked;
    const { verdict, mayWait } = this.#judge(asked);
    const canPark = mayWait && verdict.kind === "refuse" && verdict.code !== "PEER_DENIED";
    if (!canPark || this.#parked.size >= MOST_PARKED) {
      this.#answer(asked, verdict);
      return;
    }
    const untilMs = this.#state.nowMs + PARKED_MS;
    this.#parked.set(request, { asked, untilMs });
    this.#state.timers.setIfEarlier("parked", untilMs);
  }

  /** An upload is over, or an asker that waited went away. */
  served(request: RequestId): void {
    if (this.#parked.delete(request)) return;
    this.#state.uploads.delete(request);
    this.retry();
  }

  /** A slot came free or a shard began to come: those that wait may have their turn. */
  retry(shard?: number): void {
    for (const { asked } of [...this.#parked.values()]) {
      if ((shard !== undefined && asked.shard !== shard) || !this.#parked.has(asked.request)) continue;
      const { verdict } = this.#judge(asked);
      // Judging may begin the shard, and that serves those that wait for it: perhaps this one.
      if (verdict.kind === "serve" && this.#parked.has(asked.request)) this.#answer(asked, verdict);
    }
  }

  /** To be called when the timer `parked` rings: who waited long enough is sent elsewhere. */
  expire(): void {
    for (const { asked, untilMs } of [...this.#parked.values()]) {
      if (!this.#parked.has(asked.request)) continue;
      if (untilMs > this.#state.nowMs) {
        this.#state.timers.setIfEarlier("parked", untilMs);
        continue;
      }
      const { verdict } = this.#judge(asked);
      if (this.#parked.has(asked.request)) this.#answer(asked, verdict);
    }
  }

  #answer(asked: Asked, verdict: Verdict): void {
    const { request, peer, blob, shard } = asked;
    this.#parked.delete(request);
    if (verdict.kind === "serve") this.#serve({ request, peer, blob, shard });
    this.#state.emit({ type: "answer", request, verdict });
  }

  #judge(asked: Asked): { readonly verdict: Verdict; readonly mayWait: boolean } {
    const { peer, blob, shard } = asked;
    const right = this.#rightOf(peer, blob);
    if (right === "unheard") return { verdict: { kind: "refuse", code: "PEER_BUSY", redirect: [] }, mayWait: false };
    // Whoever may not know that we have it hears what we say of blobs that we have never heard of, and as soon.
    const standing: Standing = right === "hidden" ? { kind: "absent" } : this.#standing(asked);
    let [load, slowUploads, askerUploads] = [0, 0, 0];
    const children: NodeId[] = [];
    for (const upload of this.#state.uploads.values()) {
      // Who has nothing to give is not asked how busy it is.
      if (standing.kind !== "absent") load += this.#loadOf(upload);
      if (this.#isSlow(upload.peer)) slowUploads += 1;
      if (upload.peer === peer) askerUploads += 1;
      if (upload.shard === shard && upload.blob === blob) children.push(upload.peer);
    }
    const isOurs = this.#isOurs(asked);
    const verdict = admit({
      standing,
      isAllowed: right !== "denied",
      slots: this.#state.options.swarm?.uploads ?? 0,
      load,
      uploads: this.#state.uploads.size,
      isSlowAsker: this.#isSlow(peer),
      slowUploads,
      isServingFast: slowUploads < this.#state.uploads.size,
      askerUploads,
      children,
      isOurs,
      givenTo: this.#givenTo(asked),
      others: right === "hidden" ? [] : this.#others(asked, standing),
    });
    // A slow asker would only be refused by the other fast nodes as well.
    return { verdict, mayWait: right !== "hidden" && (isOurs || (standing.kind === "held" && this.#isSlow(peer))) };
  }

  /** By the tree of the shard the asker follows us; its head follows whoever has it from its source. */
  #isOurs({ peer, blob, shard }: Asked): boolean {
    const session = this.#state.sessions.get(blob);
    if (session === undefined || !(shard >= 0 && shard < session.shards.count)) return false;
    const parent = this.#planner.parentOf(session, shard, peer);
    return parent === undefined ? this.#isRoot(session, shard) : parent === this.#state.self?.id;
  }

  #capacityOf(peer: NodeId): number {
    return this.#state.catalog.peers.get(peer)?.capacityBytesPerS || Number.POSITIVE_INFINITY;
  }

  #isSlow(peer: NodeId): boolean {
    return this.#capacityOf(peer) < fastThreshold(this.#state.options.swarm?.capacityBytesPerS ?? 0);
  }

  /** How fast the shard arrives here bounds how fast it can leave. */
  #loadOf({ peer, blob, shard }: Upload): number {
    const capacity = this.#state.options.swarm?.capacityBytesPerS ?? 0;
    const askers = this.#capacityOf(peer);
    const state = this.#state.library.has(blob) ? undefined : this.#state.sessions.get(blob)?.shards.state(shard);
    if (state === undefined || !("attempts" in state)) return loadOf(undefined, capacity, askers);
    const attempt = this.#state.attempts.get(state.attempts[0] as number);
    const ageMs = attempt === undefined ? 0 : attempt.progressMs - attempt.startedMs;
    if (attempt === undefined || ageMs <= 0) return loadOf(0, capacity, askers);
    return loadOf((1_000 * (attempt.positionBytes - attempt.startBytes)) / ageMs, capacity, askers);
  }

  /** A blob left the cache: nothing of it was given to anybody. */
  forget(blob: BlobId): void {
    this.#given.delete(blob);
  }

  #serve(upload: Upload): void {
    this.#state.uploads.set(upload.request, upload);
    if (!this.#state.library.has(upload.blob)) return;
    let given = this.#given.get(upload.blob);
    if (given === undefined) {
      given = new Map();
      this.#given.set(upload.blob, given);
    }
    given.set(upload.shard, upload.peer);
  }

  /** Whether there is anything of the blob here that a peer may have. */
  mayHave(peer: NodeId, blob: BlobId): boolean {
    const isHere = this.#state.library.has(blob) || this.#state.sessions.has(blob);
    return isHere && this.#rightOf(peer, blob) === "allowed";
  }

  /** A member's word, for as long as it is up. */
  claim(peer: NodeId, blob: BlobId): void {
    const { claims, library, sessions, sharing } = this.#state;
    const spec = library.get(blob) ?? sessions.get(blob)?.spec;
    if (sharing !== "owners" || spec?.isPrivate !== true) return;
    claims.set(peer, (claims.get(peer) ?? new Set()).add(blob));
  }

  /** `unheard`: the asker's want, which says whether its token opens the blob, is still on its way. */
  #rightOf(peer: NodeId, blob: BlobId): "allowed" | "denied" | "hidden" | "unheard" {
    const { catalog, library, sessions, options, sharing } = this.#state;
    const asker = catalog.peers.get(peer);
    if (asker?.isBanned === true || options.swarm === undefined) return "denied";
    const spec = library.get(blob) ?? sessions.get(blob)?.spec;
    if (spec?.isPrivate !== true || sharing === "members") return "allowed";
    if (sharing === "nobody") return "hidden";
    if (this.#state.claims.get(peer)?.has(blob) === true) return "allowed";
    const part = asker?.blobs.get(blob);
    if (part === undefined) return "unheard";
    return part.hasAccess ? "allowed" : "denied";
  }

  #standing({ peer, blob, shard, startBytes }: Asked): Standing {
    if (this.#state.library.has(blob)) return { kind: "held" };
    const session = this.#state.sessions.get(blob);
    if (session === undefined || !(shard >= 0 && shard < session.shards.count)) return { kind: "absent" };
    if (session.shards.held.has(shard)) return { kind: "held" };
    if (session.phase !== "fetching") return { kind: "absent" };
    if (session.shards.absent.has(shard) && !this.#planner.startOnDemand(session, shard, peer))
      return { kind: "absent" };
    return {
      kind: "coming",
      isRoot: this.#isRoot(session, shard),
      isAhead: this.#isAhead(session, shard, startBytes, peer),
    };
  }

  #isRoot(session: Session, shard: number): boolean {
    const state = session.shards.state(shard);
    return "attempts" in state && state.attempts.some((id) => this.#state.attempts.get(id)?.isRoot === true);
  }

  /**
   * Following somebody who is not ahead could close a ring in which everybody waits for everybody. Where nobody has a byte yet,
   * the shard's order decides.
   */
  #isAhead(session: Session, shard: number, startBytes: number, asker: NodeId): boolean {
    const { self, options } = this.#state;
    const watermark = shard * options.shardBytes + session.shards.watermark(shard);
    if (watermark !== startBytes) return watermark > startBytes;
    if (self === undefined) return false;
    return this.#planner.placeOf(session, shard, self.id) < this.#planner.placeOf(session, shard, asker);
  }

  /** While we are a scarce seed: the live wanter that got this shard from us. Who asks again after being sent there, is served. */
  #givenTo({ peer, blob, shard }: Asked): readonly NodeId[] {
    const { catalog } = this.#state;
    const to = this.#given.get(blob)?.get(shard);
    const peers = catalog.find(blob);
    if (to === undefined || to === peer || peers === undefined || !this.#state.library.has(blob)) return [];
    if (!areSeedsScarce(catalog.seeds(peers).length + 1, catalog.wanters(peers).length)) return [];
    const part = peers.peers.get(to);
    const isLive = part !== undefined && isUsable(part.peer) && (part.wants || part.isComplete);
    this.#given.get(blob)?.delete(shard);
    return isLive ? [to] : [];
  }

  #others({ peer, blob, shard }: Asked, standing: Standing): readonly NodeId[] {
    const { catalog } = this.#state;
    const peers = catalog.find(blob);
    if (peers === undefined) return [];
    const session = this.#state.sessions.get(blob);
    const others: NodeId[] = [];
    for (const id of peers.roots.get(shard) ?? []) if (id !== peer) others.push(id);
    if (standing.kind === "absent" && session !== undefined && others.length === 0) {
      const holder = this.#planner.dutyHolder(session, shard);
      if (holder !== undefined && holder !== peer) others.push(holder);
    }
    if (peers.holders[shard] === 0) return others;
    if (others.length >= MOST_OTHERS) return others;
    catalog.visitHolders(peers, shard, undefined, "any", ({ peer: { id } }) => {
      if (id !== peer) others.push(id);
      return others.length < MOST_OTHERS;
    });
    return others;
  }
}
