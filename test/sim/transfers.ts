/** Carries out fetches: asks the source, moves bytes step by step, reports to the engine what came and how it ended. */
import type { Effect, Verdict } from "@swarmd/daemon/core/messages";
import type { BlobId, ErrorCode, NodeId } from "@swarmd/protocol";
import { FlowSharing } from "./flow-sharing.js";
import { type FlowStart, FlowTable, ORIGIN } from "./flows.js";
import type { Ground } from "./ground.js";
import { Holdings } from "./holdings.js";
import type { SimNode } from "./sim-node.js";
import { Testimony, type Weighed } from "./testimony.js";

/** How often a transfer reports progress to its engine. */
const REPORT_MS = 250;
/** An unanswered request is given up after so long. */
const ASK_DEADLINE_MS = 2_000;
/** Connections of a crashed process break after so long. */
const RESET_MS = 200;
/** Until it has one, a transfer has no slot in the table of flows. */
const NO_SLOT = -1;

/** An attempt from `fetch` until `ended`. */
interface Transfer extends FlowStart {
  /** In the table of flows while bytes move. */
  slot: number;
}

type Fetch = Extract<Effect, { readonly type: "fetch" }>;

export class Transfers {
  readonly holdings: Holdings;
  readonly testimony: Testimony;
  egressBytes = 0;
  movedBytes = 0;
  refusals = 0;
  readonly #ground: Ground;
  readonly #blobIndex: ReadonlyMap<BlobId, number>;
  readonly #flows = new FlowTable();
  readonly #sharing: FlowSharing;
  readonly #up: Float64Array;
  readonly #down: Float64Array;
  readonly #isLiar: Uint8Array;
  readonly #hasLiars: boolean;
  /** Attempts that have not ended, per node. */
  readonly #pending: readonly Map<number, Transfer>[];
  /** Per slot of the table of flows. */
  readonly #moving: Transfer[] = [];
  /** Requests that were not answered yet. */
  readonly #asks = new Map<number, Transfer>();
  /** Reads that only compare, by what stands for their attempt: a negative number. */
  readonly #comparisons = new Map<number, () => void>();
  #nextRequest = 1;
  #nextComparison = -1;

  constructor(ground: Ground, blobIndex: ReadonlyMap<BlobId, number>) {
    const { plan } = ground;
    this.#ground = ground;
    this.#blobIndex = blobIndex;
    this.holdings = new Holdings(plan);
    this.testimony = new Testimony(plan, ground.nodes);
    this.#pending = plan.nodes.map(() => new Map());
    this.#isLiar = Uint8Array.from(plan.nodes, ({ isLiar }) => (isLiar === true ? 1 : 0));
    this.#hasLiars = this.#isLiar.includes(1);
    this.#up = Float64Array.from(plan.nodes, (node) => node.upBytesPerS / 1_000);
    this.#down = Float64Array.from(plan.nodes, (node) => node.downBytesPerS / 1_000);
    this.#sharing = new FlowSharing({
      up: this.#up,
      down: this.#down,
      originBytesPerMs: (plan.origin?.bytesPerS ?? 0) / 1_000,
      originPerConnectionBytesPerMs: (plan.origin?.perConnectionBytesPerS ?? 0) / 1_000,
    });
  }

  /** Nothing moves. */
  get isIdle(): boolean {
    return this.#flows.count === 0;
  }

  fetch(node: SimNode, { attempt, blob, startBytes, endBytes, source }: Fetch): void {
    const { plan } = this.#ground;
    const blobIndex = this.#blobIndex.get(blob) as number;
    this.#resume(node, blobIndex, startBytes);
    const common = { to: node.index, blob: blobIndex, attempt, startBytes, endBytes, slot: NO_SLOT };
    if (source.kind === "origin") {
      const transfer: Transfer = { ...common, from: ORIGIN, request: 0 };
      this.#pending[node.index]?.set(attempt, transfer);
      this.#ground.after(plan.origin?.latencyMs ?? 0, () => this.#begin(node, transfer));
      return;
    }
    const peer = this.#ground.get(source.peer);
    const transfer: Transfer = { ...common, from: peer.index, request: this.#nextRequest++ };
    this.#pending[node.index]?.set(attempt, transfer);
    if (!this.#ground.isReachable(node, peer)) {
      this.#endLater(peer.isUp ? ASK_DEADLINE_MS : 1, transfer, "PEER_UNREACHABLE");
    } else if (peer.isHung) {
      this.#endLater(ASK_DEADLINE_MS, transfer, "PEER_STALLED");
    } else this.#ground.after(plan.latencyMs, () => this.#askPeer(node, peer, transfer, blob));
  }

  cancel(node: SimNode, attempt: number): void {
    this.#end(node, attempt, 0, "INTERRUPTED");
  }

  /** Reads a shard from the origin only to compare it with what is there. */
  compare(node: SimNode, blob: number, shard: number, done: () => void): void {
    const { plan } = this.#ground;
    const startBytes = shard * plan.shardBytes;
    const endBytes = this.#boundaryAfter(startBytes, blob);
    const attempt = this.#nextComparison--;
    this.#comparisons.set(attempt, done);
    const transfer: Transfer = {
      from: ORIGIN,
      to: node.index,
      blob,
      attempt,
      request: 0,
      startBytes,
      endBytes,
      slot: NO_SLOT,
    };
    this.#ground.after(plan.origin?.latencyMs ?? 0, () => {
      transfer.slot = this.#flows.open(transfer, endBytes);
      this.#moving[transfer.slot] = transfer;
    });
  }

  /** Answers a request; what follows takes the way back. */
  answer(request: number, verdict: Verdict): void {
    const transfer = this.#asks.get(request);
    if (transfer === undefined) return;
    this.#asks.delete(request);
    const node = this.#ground.nodes[transfer.to] as SimNode;
    const { latencyMs } = this.#ground.plan;
    if (verdict.kind === "serve") {
      this.#ground.after(latencyMs, () => this.#begin(node, transfer));
      return;
    }
    this.refusals += 1;
    const { code, redirect } = verdict;
    this.#ground.after(latencyMs, () => this.#end(node, transfer.attempt, transfer.startBytes, code, redirect));
  }

  stopServing(node: SimNode, request: number): void {
    const { from, to } = this.#flows;
    for (const slot of this.#flows.slots()) {
      if (from[slot] !== node.index || this.#flows.request[slot] !== request) continue;
      const other = this.#ground.nodes[to[slot] as number] as SimNode;
      const attempt = this.#flows.attempt[slot] as number;
      this.#ground.after(0, () => this.#end(other, attempt, 0, "PEER_TAINTED"));
    }
  }

  /** The node's process is gone: what it received ends without a word, what it sent breaks. */
  drop(node: SimNode): void {
    for (const slot of this.#flows.slots()) if (this.#flows.to[slot] === node.index) this.#close(slot);
    for (const pending of this.#pending) {
      for (const transfer of pending.values()) {
        if (transfer.from === node.index) this.#endLater(RESET_MS, transfer, "PEER_UNREACHABLE");
      }
    }
  }

  /** Breaks what crosses the border between nodes below `first` and the others, once somebody notices. */
  cut(first: number, delayMs: number): void {
    for (const slot of this.#flows.slots()) {
      const from = this.#flows.from[slot] as number;
      const to = this.#flows.to[slot] as number;
      if (from === ORIGIN || from < first === to < first) continue;
      const attempt = this.#flows.attempt[slot] as number;
      const node = this.#ground.nodes[to] as SimNode;
      this.#ground.after(delayMs, () => this.#end(node, attempt, 0, "PEER_UNREACHABLE"));
    }
  }

  slowDown({ index }: SimNode, factor: number): void {
    this.#up[index] = (this.#up[index] as number) * factor;
    this.#down[index] = (this.#down[index] as number) * factor;
  }

  /** Lets `stepMs` pass for everything that moves. */
  step(stepMs: number): void {
    const flows = this.#flows;
    flows.sweep();
    this.#sharing.share(flows, stepMs, (slot) => this.#available(slot));
    const { active, given, isOver, count } = flows;
    for (let index = 0; index < count; index += 1) {
      const slot = active[index] as number;
      if ((given[slot] as number) > 0) this.#move(slot, given[slot] as number);
    }
    for (let index = 0; index < count; index += 1) {
      const slot = active[index] as number;
      if (isOver[slot] === 0) this.#report(slot);
    }
  }

  /** A fetch that begins at the start of a shard writes over whatever is there of it. */
  #resume(node: SimNode, blob: number, startBytes: number): void {
    const { shardBytes } = this.#ground.plan;
    if (startBytes % shardBytes === 0) this.#wipe(node, blob, startBytes / shardBytes);
  }

  #wipe(node: SimNode, blob: number, shard: number): void {
    this.holdings.watermarks[this.holdings.indexOf(node.index, blob, shard)] = 0;
    node.bad[blob]?.delete(shard);
    if (this.testimony.isNeeded) this.testimony.wiped(node, blob, shard);
  }

  #askPeer(node: SimNode, peer: SimNode, transfer: Transfer, blob: BlobId): void {
    const { plan } = this.#ground;
    const { request, startBytes } = transfer;
    if (peer.plan.isLiar === true) {
      this.#ground.after(plan.latencyMs, () => this.#begin(node, transfer));
      return;
    }
    this.#asks.set(request, transfer);
    const shard = Math.floor(startBytes / plan.shardBytes);
    this.#ground.send(peer, { type: "asked", request, peer: node.id, blob, shard, startBytes });
  }

  #begin(node: SimNode, transfer: Transfer): void {
    const { from, attempt, blob, startBytes, request } = transfer;
    if (!node.isUp || this.#pending[node.index]?.has(attempt) !== true) {
      this.#served(from, request);
      return;
    }
    transfer.slot = this.#flows.open(transfer, this.#boundaryAfter(startBytes, blob));
    this.#moving[transfer.slot] = transfer;
    // Going on from wrong bytes, the whole shard is wrong, whoever sends the rest.
    if (this.#hasLiars && node.bad[blob]?.has(Math.floor(startBytes / this.#ground.plan.shardBytes))) {
      this.#flows.isBad[transfer.slot] = 1;
    }
  }

  #endLater(delayMs: number, { to, attempt, startBytes }: Transfer, code: ErrorCode): void {
    const node = this.#ground.nodes[to] as SimNode;
    this.#ground.after(delayMs, () => this.#end(node, attempt, startBytes, code));
  }

  /**
   * Ends an attempt towards its engine, and its flow, if it has one.
   *
   * @param unmovedBytes the position of one that never moved.
   */
  #end(node: SimNode, attempt: number, unmovedBytes: number, code?: ErrorCode, redirect: readonly NodeId[] = []): void {
    const transfer = this.#pending[node.index]?.get(attempt);
    if (transfer === undefined) return;
    this.#pending[node.index]?.delete(attempt);
    const { slot } = transfer;
    let positionBytes = unmovedBytes;
    if (slot !== NO_SLOT) {
      positionBytes = Math.floor(this.#flows.position[slot] as number);
      this.#close(slot);
      if (code === "PEER_CORRUPT" || code === "PEER_TAINTED") {
        this.#wipe(node, transfer.blob, Math.floor((transfer.endBytes - 1) / this.#ground.plan.shardBytes));
      }
    } else if (this.#asks.delete(transfer.request)) this.#served(transfer.from, transfer.request);
    if (code === undefined) this.#ground.send(node, { type: "ended", attempt, positionBytes });
    else {
      const fault = { code, blame: "peer" as const, message: code, redirect };
      this.#ground.send(node, { type: "ended", attempt, positionBytes, fault });
    }
  }

  #close(slot: number): void {
    const transfer = this.#moving[slot] as Transfer;
    this.#flows.isOver[slot] = 1;
    // The slot may soon be another's.
    transfer.slot = NO_SLOT;
    this.#served(transfer.from, transfer.request);
  }

  #served(from: number, request: number): void {
    if (from === ORIGIN) return;
    const peer = this.#ground.nodes[from] as SimNode;
    this.#ground.after(this.#ground.plan.latencyMs, () => this.#ground.send(peer, { type: "served", request }));
  }

  #available(slot: number): number {
    const flows = this.#flows;
    const from = flows.from[slot] as number;
    const position = flows.position[slot] as number;
    const end = flows.end[slot] as number;
    if (this.#isPaused(flows.to[slot] as number)) return 0;
    if (from === ORIGIN) return end - position;
    if (this.#isPaused(from)) return 0;
    const source = this.#ground.nodes[from] as SimNode;
    const { partition, plan } = this.#ground;
    if (partition !== undefined && from < partition !== (flows.to[slot] as number) < partition) return 0;
    if (!source.isUp || source.isHung) return 0;
    const blob = flows.blob[slot] as number;
    if (this.#isLiar[from] === 1 || this.holdings.isComplete(from, blob)) return end - position;
    const shard = Math.floor((end - 1) / plan.shardBytes);
    const watermark = this.holdings.watermarks[this.holdings.indexOf(from, blob, shard)] as number;
    return shard * plan.shardBytes + watermark - position;
  }

  #isPaused(node: number): boolean {
    return (this.#ground.nodes[node] as SimNode).pausedUntilMs > this.#ground.nowMs;
  }

  #move(slot: number, bytes: number): void {
    const flows = this.#flows;
    const { shardBytes } = this.#ground.plan;
    const end = flows.end[slot] as number;
    const to = flows.to[slot] as number;
    const blob = flows.blob[slot] as number;
    const before = flows.position[slot] as number;
    let position = Math.min(end, before + bytes);
    // A rest below a byte is arithmetic, not data.
    if (end - position < 1) position = end;
    flows.position[slot] = position;
    (this.#ground.nodes[to] as SimNode).receivedBytes += bytes;
    this.movedBytes += bytes;
    if (flows.from[slot] === ORIGIN) this.egressBytes += bytes;
    const { watermarks } = this.holdings;
    const last = Math.ceil(position / shardBytes) - 1;
    for (let shard = Math.floor(before / shardBytes); shard <= last; shard += 1) {
      const upTo = Math.min(position - shard * shardBytes, shardBytes);
      const mark = this.holdings.indexOf(to, blob, shard);
      if (upTo > (watermarks[mark] as number)) watermarks[mark] = upTo;
      if (this.#hasLiars) this.#taint(slot, shard);
      if (this.testimony.isNeeded && (flows.attempt[slot] as number) >= 0) {
        this.testimony.moved(flows.from[slot] as number, to, blob, shard);
      }
    }
  }

  #taint(slot: number, shard: number): void {
    const flows = this.#flows;
    const from = flows.from[slot] as number;
    const blob = flows.blob[slot] as number;
    const source = this.#ground.nodes[from];
    if (source === undefined) return;
    if (this.#isLiar[from] === 1 || (!this.holdings.isComplete(from, blob) && source.bad[blob]?.has(shard))) {
      flows.isBad[slot] = 1;
      const node = this.#ground.nodes[flows.to[slot] as number] as SimNode;
      node.bad[blob]?.add(shard);
      if (this.#isLiar[from] === 1) node.deceivedBy.add(source.id);
    }
  }

  #report(slot: number): void {
    const flows = this.#flows;
    const { nowMs } = this.#ground;
    const position = flows.position[slot] as number;
    if (position >= (flows.boundary[slot] as number)) {
      this.#reportShards(slot, position);
      return;
    }
    if ((flows.attempt[slot] as number) < 0) return;
    if (nowMs < (flows.dueMs[slot] as number) || position <= (flows.reported[slot] as number)) return;
    const positionBytes = Math.floor(position);
    flows.reported[slot] = positionBytes;
    flows.dueMs[slot] = nowMs + REPORT_MS;
    const node = this.#ground.nodes[flows.to[slot] as number] as SimNode;
    this.#ground.send(node, { type: "progress", attempt: flows.attempt[slot] as number, positionBytes });
  }

  #reportShards(slot: number, position: number): void {
    const flows = this.#flows;
    const { nowMs, plan } = this.#ground;
    const node = this.#ground.nodes[flows.to[slot] as number] as SimNode;
    const attempt = flows.attempt[slot] as number;
    if (attempt < 0) {
      this.#compared(slot, attempt);
      return;
    }
    const blob = flows.blob[slot] as number;
    const last = flows.end[slot] as number;
    for (let end = flows.boundary[slot] as number; end <= position; ) {
      flows.reported[slot] = end;
      flows.dueMs[slot] = nowMs + REPORT_MS;
      flows.boundary[slot] = this.#boundaryAfter(end, blob);
      const shard = Math.ceil(end / plan.shardBytes) - 1;
      const weighed = this.#weigh(slot, shard);
      if (weighed !== "believed") {
        this.#end(node, attempt, end, weighed === "corrupt" ? "PEER_CORRUPT" : "PEER_TAINTED");
        return;
      }
      node.curve.push([nowMs, node.receivedBytes]);
      this.#ground.send(node, { type: "checked", attempt, shard });
      if (end >= last) break;
      end = flows.boundary[slot] as number;
    }
    if (position >= last) this.#end(node, attempt, last);
  }

  #weigh(slot: number, shard: number): Weighed {
    const { to, blob, isBad } = this.#flows;
    if (isBad[slot] === 1) return "corrupt";
    if (!this.testimony.isNeeded) return "believed";
    return this.testimony.weigh(to[slot] as number, blob[slot] as number, shard);
  }

  #compared(slot: number, comparison: number): void {
    const done = this.#comparisons.get(comparison);
    this.#comparisons.delete(comparison);
    this.#close(slot);
    done?.();
  }

  /** The end of the shard of which `bytes` is inside, or at the start. */
  #boundaryAfter(bytes: number, blob: number): number {
    const { shardBytes, files } = this.#ground.plan;
    return Math.min((Math.floor(bytes / shardBytes) + 1) * shardBytes, files[blob] as number);
  }
}
