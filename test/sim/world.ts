/** Many engines, one clock: carries out their effects on a simulated network and measures what comes of it. */

import { type Announcement, announcementBytes } from "@swarmd/daemon/core/catalog/announcement";
import { Engine, SWARM_DEFAULTS } from "@swarmd/daemon/core/engine";
import type { BlobSpec, Effect, Input, Reason, Verdict } from "@swarmd/daemon/core/messages";
import { ShardSet } from "@swarmd/daemon/core/shard-set";
import { type BlobId, type ErrorCode, type NodeId, parseBlobId, parseNodeId } from "@swarmd/protocol";
import type { Dice } from "./dice.js";
import { EventQueue } from "./event-queue.js";
import { type Flow, FlowSharing, ORIGIN } from "./flows.js";
import type { Happening, NodePlan, Plan } from "./scenario.js";

/** A pull of a repo takes so many workers by default. */
const WORKERS = 10;
/** How often a transfer reports progress to its engine. */
const REPORT_MS = 250;
/** Opening a staging file, and moving a verified one into place. */
const STORE_MS = 5;
/** An unanswered request is given up after so long. */
const ASK_DEADLINE_MS = 2_000;
/** Connections of a crashed process break after so long. */
const RESET_MS = 200;
/** Peers that can't be reached are noticed after so long. */
const UNREACHABLE_MS = 3_000;
/** Announcements of one node reach the others in so many waves. */
const WAVES = 4;
/** A run that takes so many times its bound is stuck. */
const GIVE_UP_AFTER = 12;

type Effective<Type extends Effect["type"]> = Extract<Effect, { readonly type: Type }>;

export interface SimNode {
  readonly index: number;
  readonly id: NodeId;
  readonly plan: NodePlan;
  readonly engine: Engine;
  isUp: boolean;
  /** Hangs: takes part in nothing, but nobody is told. */
  isHung: boolean;
  wakeAtMs: number;
  /** Per blob and shard: bytes that are there. */
  readonly watermarks: Float64Array[];
  /** Per blob: shards with wrong bytes in them. */
  readonly bad: Set<number>[];
  readonly complete: boolean[];
  /** When each blob was done. */
  left: number;
  doneMs: number;
  failure: string | undefined;
  receivedBytes: number;
  gossipBytes: number;
  readonly banned: Set<NodeId>;
  readonly curve: [number, number][];
}

export interface Outcome {
  readonly nodes: readonly SimNode[];
  readonly endMs: number;
  readonly egressBytes: number;
  readonly movedBytes: number;
  readonly gossipBytes: number;
  readonly reasons: ReadonlyMap<Reason, number>;
  readonly inputs: number;
  readonly decisions: number;
  readonly refusals: number;
  /** Real time that the engines took. The only thing here that is not a function of scenario and seed. */
  readonly cpuMs: number;
}

export class World {
  readonly #plan: Plan;
  readonly #dice: Dice;
  readonly #queue = new EventQueue();
  readonly #nodes: SimNode[] = [];
  readonly #byId = new Map<NodeId, SimNode>();
  readonly #blobs: BlobSpec[];
  readonly #blobIndex = new Map<BlobId, number>();
  readonly #up: Float64Array;
  readonly #down: Float64Array;
  readonly #sharing: FlowSharing;
  #flows: Flow[] = [];
  /** Attempts and requests to the flow that carries them, per node. */
  readonly #byAttempt: Map<number, Flow>[] = [];
  readonly #byRequest: Map<number, Flow>[] = [];
  /** Attempts that are not flowing yet or any more, but not ended either. */
  readonly #pending: Map<number, { readonly peer: number; readonly request: number }>[] = [];
  #partition: number | undefined;
  #nowMs = 0;
  #nextRequest = 1;
  #egressBytes = 0;
  #movedBytes = 0;
  #inputs = 0;
  #decisions = 0;
  #refusals = 0;
  #cpuNs = 0n;
  readonly #reasons = new Map<Reason, number>();

  constructor(plan: Plan, dice: Dice) {
    this.#plan = plan;
    this.#dice = dice;
    this.#blobs = plan.files.map((sizeBytes, index) => ({
      id: parseBlobId(`sha256:${(index + 1).toString(16).padStart(64, "0")}`),
      sizeBytes,
      origin: plan.origin === null ? "none" : "ranges",
      isPrivate: false,
    }));
    for (const [index, blob] of this.#blobs.entries()) this.#blobIndex.set(blob.id, index);
    const count = plan.nodes.length;
    this.#up = Float64Array.from(plan.nodes, (node) => node.upBytesPerS / 1_000);
    this.#down = Float64Array.from(plan.nodes, (node) => node.downBytesPerS / 1_000);
    this.#sharing = new FlowSharing({
      up: this.#up,
      down: this.#down,
      originBytesPerMs: (plan.origin?.bytesPerS ?? 0) / 1_000,
      originPerConnectionBytesPerMs: (plan.origin?.perConnectionBytesPerS ?? 0) / 1_000,
    });
    const tag = Math.floor(dice.next() * 1e9).toString(36);
    for (let index = 0; index < count; index += 1) this.#addNode(index, tag);
  }

  run(): Outcome {
    for (const node of this.#nodes) this.#queue.add(node.plan.upMs, () => this.#comeUp(node));
    for (const node of this.#nodes) this.#queue.add(node.plan.startMs, () => this.#pull(node));
    for (const happening of this.#plan.happenings) this.#queue.add(happening.atMs, () => this.#happen(happening));
    const slowest = Math.max(...this.#plan.nodes.map((node) => node.startMs + this.#plan.boundMs(node)));
    const { stepMs } = this.#plan;
    let nextStepMs = stepMs;
    while (!this.#isDone() && this.#nowMs < GIVE_UP_AFTER * slowest) {
      if (this.#flows.length === 0 && this.#queue.nextMs === Number.POSITIVE_INFINITY) break;
      if (this.#flows.length === 0 && this.#queue.nextMs > nextStepMs) {
        nextStepMs = Math.ceil(this.#queue.nextMs / stepMs) * stepMs;
      }
      while (this.#queue.nextMs <= nextStepMs) {
        const entry = this.#queue.take();
        if (entry === undefined) break;
        this.#nowMs = Math.max(this.#nowMs, entry.atMs);
        entry.run();
      }
      this.#nowMs = nextStepMs;
      this.#step(stepMs);
      nextStepMs += stepMs;
    }
    return this.#outcome();
  }

  #outcome(): Outcome {
    return {
      nodes: this.#nodes,
      endMs: this.#nowMs,
      egressBytes: this.#egressBytes,
      movedBytes: this.#movedBytes,
      gossipBytes: this.#nodes.reduce((sum, node) => sum + node.gossipBytes, 0),
      reasons: this.#reasons,
      inputs: this.#inputs,
      decisions: this.#decisions,
      refusals: this.#refusals,
      cpuMs: Number(this.#cpuNs / 1_000n) / 1_000,
    };
  }

  #addNode(index: number, tag: string): void {
    const plan = this.#plan.nodes[index] as NodePlan;
    const id = parseNodeId(`n${index}x${tag}`);
    const shards = this.#plan.files.map((size) => Math.ceil(size / this.#plan.shardBytes));
    const engine = new Engine({
      random: () => this.#dice.next(),
      shardBytes: this.#plan.shardBytes,
      originRequests: WORKERS,
      swarm: { self: id, epoch: 1, capacityBytesPerS: plan.upBytesPerS, isCluster: false, ...SWARM_DEFAULTS },
    });
    const node: SimNode = {
      index,
      id,
      plan,
      engine,
      isUp: false,
      isHung: false,
      wakeAtMs: Number.POSITIVE_INFINITY,
      watermarks: shards.map((count) => new Float64Array(count)),
      bad: shards.map(() => new Set<number>()),
      complete: shards.map(() => plan.isSeed === true),
      left: plan.isSeed === true || plan.isLiar === true ? 0 : shards.length,
      doneMs: plan.isSeed === true || plan.isLiar === true ? 0 : Number.POSITIVE_INFINITY,
      failure: undefined,
      receivedBytes: 0,
      gossipBytes: 0,
      banned: new Set(),
      curve: [[plan.startMs, 0]],
    };
    this.#nodes.push(node);
    this.#byId.set(id, node);
    this.#byAttempt.push(new Map());
    this.#byRequest.push(new Map());
    this.#pending.push(new Map());
  }

  #comeUp(node: SimNode): void {
    node.isUp = true;
    if (node.plan.isSeed === true) for (const blob of this.#blobs) this.#send(node, { type: "have", blob });
    for (const other of this.#nodes) {
      if (other === node || !other.isUp) continue;
      this.#introduce(node, other);
      this.#introduce(other, node);
    }
    if (node.plan.isLiar === true) this.#lie(node);
  }

  #pull(node: SimNode): void {
    if (node.left === 0) return;
    for (const [order, blob] of this.#blobs.entries()) {
      const options = { peers: true, origin: this.#plan.origin !== null, originRequests: WORKERS, order, headBytes: 0 };
      this.#send(node, { type: "want", pull: 1, blob, options });
    }
  }

  #introduce(node: SimNode, other: SimNode): void {
    if (!this.#isReachable(node, other)) return;
    this.#send(node, { type: "peer-up", peer: other.id, links: [{ link: "lan", class: other.plan.linkClass }] });
    if (other.plan.isLiar === true) this.#deliver(node, other.id, this.#lieOf(other));
  }

  /** The liar's engine is not asked: its node says and serves what it likes. */
  #lie(node: SimNode): void {
    for (const other of this.#nodes) if (other !== node && other.isUp) this.#deliver(other, node.id, this.#lieOf(node));
  }

  #lieOf(node: SimNode): Announcement {
    return {
      epoch: 1,
      sequence: 1,
      ttlMs: 3_600_000,
      isFull: true,
      capacityBytesPerS: node.plan.upBytesPerS,
      freeSlots: 24,
      blobs: this.#blobs.map(({ id, sizeBytes }) => ({
        blob: id,
        sizeBytes,
        wants: false,
        mayFetch: false,
        holds: { kind: "all" },
        rooted: [],
      })),
    };
  }

  #send(node: SimNode, input: Input): void {
    if (!node.isUp || node.isHung || (node.plan.isLiar === true && input.type !== "peer-up")) return;
    this.#inputs += 1;
    const began = process.hrtime.bigint();
    const effects = node.engine.handle(input, this.#clockOf(node));
    this.#cpuNs += process.hrtime.bigint() - began;
    for (const effect of effects) this.#carryOut(node, effect);
  }

  #clockOf({ plan }: SimNode): number {
    return plan.clock === undefined ? this.#nowMs : plan.clock.offsetMs + this.#nowMs * plan.clock.rate;
  }

  #after(delayMs: number, run: () => void): void {
    this.#queue.add(this.#nowMs + delayMs, run);
  }

  #carryOut(node: SimNode, effect: Effect): void {
    switch (effect.type) {
      case "open": {
        const blob = effect.blob.id;
        this.#after(STORE_MS, () => this.#send(node, { type: "opened", blob, state: { checked: [], partial: [] } }));
        break;
      }
      case "fetch":
        this.#fetch(node, effect);
        break;
      case "cancel":
        this.#after(0, () => this.#cancelled(node, effect.attempt));
        break;
      case "finish":
        this.#after(STORE_MS, () => this.#finish(node, effect.blob));
        break;
      case "settled":
        this.#settled(node, effect);
        break;
      case "wake":
        this.#wakeAt(node, effect.atMs);
        break;
      case "announce":
        this.#announce(node, effect.record);
        break;
      case "tell":
        this.#tell(node, effect);
        break;
      case "stop-serving":
        this.#stopServing(node, effect.request);
        break;
      case "ban":
        node.banned.add(effect.peer);
        break;
      case "decision":
        this.#decisions += 1;
        this.#reasons.set(effect.reason, (this.#reasons.get(effect.reason) ?? 0) + 1);
        break;
      case "answer":
        this.#asks.get(effect.request)?.(effect.verdict);
        this.#asks.delete(effect.request);
        break;
      case "close":
        break;
    }
  }

  /** What follows the answer to a request. */
  readonly #asks = new Map<number, (verdict: Verdict) => void>();

  #wakeAt(node: SimNode, atMs: number): void {
    node.wakeAtMs = atMs;
    if (atMs === Number.POSITIVE_INFINITY) return;
    const { clock } = node.plan;
    const trueMs = clock === undefined ? atMs : (atMs - clock.offsetMs) / clock.rate + 0.001;
    this.#queue.add(Math.max(this.#nowMs, trueMs), () => {
      if (node.wakeAtMs !== atMs) return;
      node.wakeAtMs = Number.POSITIVE_INFINITY;
      this.#send(node, { type: "wake" });
    });
  }

  #fetch(node: SimNode, { attempt, blob, startBytes, endBytes, source }: Effective<"fetch">): void {
    const blobIndex = this.#blobIndex.get(blob) as number;
    this.#resume(node, blobIndex, startBytes);
    if (source.kind === "origin") {
      this.#pending[node.index]?.set(attempt, { peer: ORIGIN, request: 0 });
      const flow = newFlow({
        from: ORIGIN,
        to: node.index,
        blob: blobIndex,
        attempt,
        request: 0,
        startBytes,
        endBytes,
      });
      this.#after(this.#plan.origin?.latencyMs ?? 0, () => this.#begin(node, flow));
      return;
    }
    const peer = this.#byId.get(source.peer) as SimNode;
    const request = this.#nextRequest++;
    this.#pending[node.index]?.set(attempt, { peer: peer.index, request });
    if (!this.#isReachable(node, peer)) {
      this.#after(peer.isUp ? ASK_DEADLINE_MS : 1, () => this.#end(node, attempt, startBytes, "PEER_UNREACHABLE"));
      return;
    }
    if (peer.isHung) {
      this.#after(ASK_DEADLINE_MS, () => this.#end(node, attempt, startBytes, "PEER_STALLED"));
      return;
    }
    const flow = newFlow({ from: peer.index, to: node.index, blob: blobIndex, attempt, request, startBytes, endBytes });
    this.#after(this.#plan.latencyMs, () => this.#askPeer(node, peer, flow, blob));
  }

  /** A fetch that begins at the start of a shard writes over whatever is there of it. */
  #resume(node: SimNode, blob: number, startBytes: number): void {
    const { shardBytes } = this.#plan;
    if (startBytes % shardBytes !== 0) return;
    (node.watermarks[blob] as Float64Array)[startBytes / shardBytes] = 0;
    node.bad[blob]?.delete(startBytes / shardBytes);
  }

  #askPeer(node: SimNode, peer: SimNode, flow: Flow, blob: BlobId): void {
    const { request, attempt, positionBytes } = flow;
    const shard = Math.floor(positionBytes / this.#plan.shardBytes);
    if (peer.plan.isLiar === true) {
      this.#after(this.#plan.latencyMs, () => this.#begin(node, flow));
      return;
    }
    this.#asks.set(request, (verdict) => {
      if (verdict.kind === "serve") {
        this.#after(this.#plan.latencyMs, () => this.#begin(node, flow));
        return;
      }
      this.#refusals += 1;
      const { code, redirect } = verdict;
      this.#after(this.#plan.latencyMs, () => this.#end(node, attempt, positionBytes, code, redirect));
    });
    this.#send(peer, { type: "asked", request, peer: node.id, blob, shard, startBytes: positionBytes });
  }

  #begin(node: SimNode, flow: Flow): void {
    const pending = this.#pending[node.index];
    if (!node.isUp || pending?.has(flow.attempt) !== true) {
      this.#served(flow);
      return;
    }
    // Going on from wrong bytes, the whole shard is wrong, whoever sends the rest.
    if (node.bad[flow.blob]?.has(Math.floor(flow.positionBytes / this.#plan.shardBytes))) flow.isBad = true;
    this.#flows.push(flow);
    this.#byAttempt[node.index]?.set(flow.attempt, flow);
    if (flow.from !== ORIGIN) this.#byRequest[flow.from]?.set(flow.request, flow);
  }

  /** Ends an attempt towards its engine, and its flow, if it has one. */
  #end(
    node: SimNode,
    attempt: number,
    positionBytes: number,
    code?: ErrorCode,
    redirect: readonly NodeId[] = [],
  ): void {
    const pending = this.#pending[node.index]?.get(attempt);
    if (pending === undefined) return;
    this.#pending[node.index]?.delete(attempt);
    const flow = this.#byAttempt[node.index]?.get(attempt);
    if (flow !== undefined) this.#remove(flow);
    else if (this.#asks.delete(pending.request)) this.#takeBack(pending);
    const position = flow === undefined ? positionBytes : Math.floor(flow.positionBytes);
    if (flow !== undefined && (code === "PEER_CORRUPT" || code === "PEER_TAINTED")) this.#wipe(node, flow);
    const fault = code && { code, blame: "peer" as const, message: code, redirect };
    this.#send(node, { type: "ended", attempt, positionBytes: position, ...(fault && { fault }) });
  }

  #takeBack({ peer, request }: { readonly peer: number; readonly request: number }): void {
    const other = this.#nodes[peer] as SimNode;
    this.#after(this.#plan.latencyMs, () => this.#send(other, { type: "served", request }));
  }

  #wipe(node: SimNode, { blob, endBytes }: Flow): void {
    const shard = Math.floor((endBytes - 1) / this.#plan.shardBytes);
    (node.watermarks[blob] as Float64Array)[shard] = 0;
    node.bad[blob]?.delete(shard);
  }

  #remove(flow: Flow): void {
    if (flow.isOver) return;
    flow.isOver = true;
    this.#byAttempt[flow.to]?.delete(flow.attempt);
    this.#served(flow);
  }

  #served(flow: Flow): void {
    if (flow.from === ORIGIN) return;
    this.#byRequest[flow.from]?.delete(flow.request);
    const peer = this.#nodes[flow.from] as SimNode;
    this.#after(this.#plan.latencyMs, () => this.#send(peer, { type: "served", request: flow.request }));
  }

  #cancelled(node: SimNode, attempt: number): void {
    const flow = this.#byAttempt[node.index]?.get(attempt);
    this.#end(node, attempt, flow?.positionBytes ?? 0, "INTERRUPTED");
  }

  #stopServing(node: SimNode, request: number): void {
    const flow = this.#byRequest[node.index]?.get(request);
    if (flow === undefined) return;
    const other = this.#nodes[flow.to] as SimNode;
    this.#after(0, () => this.#end(other, flow.attempt, 0, "PEER_TAINTED"));
  }

  #finish(node: SimNode, blob: BlobId): void {
    const index = this.#blobIndex.get(blob) as number;
    node.complete[index] = true;
    this.#send(node, { type: "verified", blob });
  }

  #settled(node: SimNode, { fault, blob }: Effective<"settled">): void {
    if (fault !== undefined) node.failure = `${blob.slice(-2)}: ${fault.code} ${fault.message}`;
    node.left -= 1;
    if (node.left === 0) node.doneMs = this.#nowMs;
  }

  #announce(node: SimNode, record: Announcement): void {
    const { lowMs, highMs, loss } = this.#plan.gossip;
    const bytes = announcementBytes(record);
    const waves: SimNode[][] = Array.from({ length: WAVES }, () => []);
    for (const other of this.#nodes) {
      if (other === node || !other.isUp || !this.#isReachable(node, other)) continue;
      other.gossipBytes += bytes;
      if (loss > 0 && this.#dice.next() < loss) continue;
      waves[Math.floor(this.#dice.next() * WAVES)]?.push(other);
    }
    const copy = copyOf(record);
    for (const wave of waves) {
      if (wave.length === 0) continue;
      this.#after(this.#dice.between(lowMs, highMs), () => {
        for (const other of wave) this.#deliver(other, node.id, copy);
      });
    }
  }

  #deliver(node: SimNode, peer: NodeId, record: Announcement): void {
    this.#send(node, { type: "heard", peer, record });
  }

  #tell(node: SimNode, { peer, record }: Effective<"tell">): void {
    const other = this.#byId.get(peer) as SimNode;
    other.gossipBytes += announcementBytes(record);
    const copy = copyOf(record);
    this.#after(this.#plan.latencyMs, () => this.#deliver(other, node.id, copy));
  }

  #isReachable(a: SimNode, b: SimNode): boolean {
    if (!a.isUp || !b.isUp) return false;
    return this.#partition === undefined || a.index < this.#partition === b.index < this.#partition;
  }

  #happen(happening: Happening): void {
    if (happening.kind === "partition") this.#split(happening.first);
    else if (happening.kind === "heal") this.#heal();
    else {
      const node = this.#nodes[happening.node] as SimNode;
      if (happening.kind === "crash") this.#crash(node);
      else if (happening.kind === "stall") this.#hang(node);
      else this.#slowDown(node, happening.factor);
    }
  }

  #crash(node: SimNode): void {
    node.isUp = false;
    for (const flow of [...this.#flows]) {
      if (flow.to === node.index) this.#remove(flow);
    }
    for (const [index, pending] of this.#pending.entries()) {
      for (const [attempt, { peer }] of pending) {
        const other = this.#nodes[index] as SimNode;
        if (peer === node.index) this.#after(RESET_MS, () => this.#end(other, attempt, 0, "PEER_UNREACHABLE"));
      }
    }
    for (const other of this.#nodes) {
      if (other !== node) this.#after(RESET_MS, () => this.#send(other, { type: "peer-down", peer: node.id }));
    }
  }

  #hang(node: SimNode): void {
    node.isHung = true;
    this.#slowDown(node, 0);
  }

  #slowDown({ index }: SimNode, factor: number): void {
    this.#up[index] = (this.#up[index] as number) * factor;
    this.#down[index] = (this.#down[index] as number) * factor;
  }

  #breakLater(flow: Flow, delayMs: number): void {
    const node = this.#nodes[flow.to] as SimNode;
    this.#after(delayMs, () => this.#end(node, flow.attempt, 0, "PEER_UNREACHABLE"));
  }

  #split(first: number): void {
    this.#partition = first;
    for (const flow of this.#flows) {
      if (flow.from !== ORIGIN && flow.from < first !== flow.to < first) this.#breakLater(flow, UNREACHABLE_MS);
    }
    for (const node of this.#nodes) {
      for (const other of this.#nodes) {
        if (node.index < first === other.index < first) continue;
        this.#after(UNREACHABLE_MS, () => this.#send(node, { type: "peer-down", peer: other.id }));
      }
    }
  }

  #heal(): void {
    const first = this.#partition ?? 0;
    this.#partition = undefined;
    for (const node of this.#nodes) {
      for (const other of this.#nodes) {
        if (node.index < first !== other.index < first && node.isUp && other.isUp) this.#introduce(node, other);
      }
    }
  }

  #isDone(): boolean {
    return this.#nodes.every((node) => node.left === 0 || node.isHung || (!node.isUp && node.plan.upMs < this.#nowMs));
  }

  #step(stepMs: number): void {
    const flows = this.#flows.filter((flow) => !flow.isOver);
    this.#flows = flows;
    this.#sharing.share(flows, stepMs, (flow) => this.#available(flow));
    for (const flow of flows) if (flow.givenBytes > 0) this.#move(flow, flow.givenBytes);
    for (const flow of flows) if (!flow.isOver) this.#report(flow);
  }

  #available(flow: Flow): number {
    const { from, blob, positionBytes, endBytes } = flow;
    if (from === ORIGIN) return endBytes - positionBytes;
    const source = this.#nodes[from] as SimNode;
    if (this.#partition !== undefined && from < this.#partition !== flow.to < this.#partition) return 0;
    if (!source.isUp || source.isHung) return 0;
    if (source.plan.isLiar === true || source.complete[blob] === true) return endBytes - positionBytes;
    const { shardBytes } = this.#plan;
    const shard = Math.floor((endBytes - 1) / shardBytes);
    return shard * shardBytes + ((source.watermarks[blob] as Float64Array)[shard] as number) - positionBytes;
  }

  #move(flow: Flow, bytes: number): void {
    const node = this.#nodes[flow.to] as SimNode;
    const { shardBytes } = this.#plan;
    const before = flow.positionBytes;
    flow.positionBytes = Math.min(flow.endBytes, before + bytes);
    // A rest below a byte is arithmetic, not data.
    if (flow.endBytes - flow.positionBytes < 1) flow.positionBytes = flow.endBytes;
    node.receivedBytes += bytes;
    this.#movedBytes += bytes;
    if (flow.from === ORIGIN) this.#egressBytes += bytes;
    const watermarks = node.watermarks[flow.blob] as Float64Array;
    const last = Math.ceil(flow.positionBytes / shardBytes) - 1;
    for (let shard = Math.floor(before / shardBytes); shard <= last; shard += 1) {
      const upTo = Math.min(flow.positionBytes - shard * shardBytes, shardBytes);
      watermarks[shard] = Math.max(watermarks[shard] as number, upTo);
      this.#taint(node, flow, shard);
    }
  }

  #taint(node: SimNode, flow: Flow, shard: number): void {
    const source = this.#nodes[flow.from];
    if (source === undefined) return;
    if (source.plan.isLiar === true || (source.complete[flow.blob] !== true && source.bad[flow.blob]?.has(shard))) {
      flow.isBad = true;
      node.bad[flow.blob]?.add(shard);
    }
  }

  #report(flow: Flow): void {
    const node = this.#nodes[flow.to] as SimNode;
    const { attempt } = flow;
    const { shardBytes } = this.#plan;
    const size = this.#plan.files[flow.blob] as number;
    for (let end = nextBoundary(flow.reportedBytes, shardBytes, size); end <= flow.positionBytes; ) {
      flow.reportedBytes = end;
      flow.reportedMs = this.#nowMs;
      if (flow.isBad) {
        this.#end(node, attempt, end, "PEER_CORRUPT");
        return;
      }
      node.curve.push([this.#nowMs, node.receivedBytes]);
      this.#send(node, { type: "checked", attempt, shard: Math.ceil(end / shardBytes) - 1 });
      if (end >= flow.endBytes) break;
      end = nextBoundary(end, shardBytes, size);
    }
    if (flow.positionBytes >= flow.endBytes) this.#end(node, attempt, flow.endBytes);
    else if (flow.positionBytes > flow.reportedBytes && this.#nowMs - flow.reportedMs >= REPORT_MS) {
      flow.reportedBytes = Math.floor(flow.positionBytes);
      flow.reportedMs = this.#nowMs;
      this.#send(node, { type: "progress", attempt, positionBytes: flow.reportedBytes });
    }
  }
}

function nextBoundary(after: number, shardBytes: number, size: number): number {
  return Math.min((Math.floor(after / shardBytes) + 1) * shardBytes, size);
}

function newFlow(
  of: Pick<Flow, "from" | "to" | "blob" | "attempt" | "request" | "endBytes"> & { readonly startBytes: number },
): Flow {
  const { startBytes, ...rest } = of;
  return {
    ...rest,
    positionBytes: startBytes,
    isBad: false,
    isOver: false,
    reportedBytes: startBytes,
    reportedMs: 0,
    capBytes: 0,
    givenBytes: 0,
  };
}

/** What arrives is what was sent at that moment, whatever the sender does to its books meanwhile. */
function copyOf(record: Announcement): Announcement {
  const blobs = record.blobs.map((news) =>
    news.holds.kind === "exactly" && news.holds.shards instanceof ShardSet
      ? { ...news, holds: { kind: "exactly" as const, shards: news.holds.shards.clone() } }
      : news,
  );
  return { ...record, blobs };
}
