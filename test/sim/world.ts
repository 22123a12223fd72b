/** Many engines, one clock: carries out their effects on a simulated network and measures what comes of it. */
import type { BlobSpec, Effect, Input, Reason } from "@swarmd/daemon/core/messages";
import { type BlobId, type NodeId, parseBlobId } from "@swarmd/protocol";
import type { Dice } from "./dice.js";
import { EventQueue } from "./event-queue.js";
import { Gossip } from "./gossip.js";
import type { Ground } from "./ground.js";
import { Happenings } from "./happenings.js";
import type { Plan } from "./scenario.js";
import { newSimNode, type SimNode, WORKERS } from "./sim-node.js";
import { Transfers } from "./transfers.js";

/** Opening a staging file, and moving a verified one into place. */
const STORE_MS = 5;
/** A run that takes so many times its bound is stuck. */
const GIVE_UP_AFTER = 12;
/** Every so many inputs the engine's time is taken: a clock costs as much as a small input. A prime, to fall into step with nothing. */
const TIMED_EVERY = 17;

type Effective<Type extends Effect["type"]> = Extract<Effect, { readonly type: Type }>;

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
  /** Real time that the engines took, from a sample. The only thing here that is not a function of scenario and seed. */
  readonly cpuMs: number;
}

export class World implements Ground {
  readonly plan: Plan;
  readonly dice: Dice;
  readonly nodes: readonly SimNode[];
  nowMs = 0;
  readonly #queue = new EventQueue();
  readonly #byId = new Map<NodeId, SimNode>();
  readonly #blobs: readonly BlobSpec[];
  readonly #blobIndex: ReadonlyMap<BlobId, number>;
  readonly #transfers: Transfers;
  readonly #gossip: Gossip;
  readonly #happenings: Happenings;
  readonly #reasons = new Map<Reason, number>();
  #inputs = 0;
  #decisions = 0;
  #timedMs = 0;

  constructor(plan: Plan, dice: Dice) {
    this.plan = plan;
    this.dice = dice;
    this.#blobs = plan.files.map((sizeBytes, index) => ({
      id: parseBlobId(`sha256:${(index + 1).toString(16).padStart(64, "0")}`),
      sizeBytes,
      origin: plan.origin === null ? "none" : "ranges",
      isPrivate: false,
    }));
    this.#blobIndex = new Map(this.#blobs.map((blob, index) => [blob.id, index]));
    const tag = Math.floor(dice.next() * 1e9).toString(36);
    this.nodes = plan.nodes.map((_, index) => newSimNode(index, plan, tag, dice));
    for (const node of this.nodes) this.#byId.set(node.id, node);
    this.#transfers = new Transfers(this, this.#blobIndex);
    this.#gossip = new Gossip(this, this.#blobs);
    this.#happenings = new Happenings(this, { transfers: this.#transfers, gossip: this.#gossip });
  }

  run(): Outcome {
    for (const node of this.nodes) this.#queue.add(node.plan.upMs, () => this.#comeUp(node));
    for (const node of this.nodes) this.#queue.add(node.plan.startMs, () => this.#pull(node));
    for (const one of this.plan.happenings) this.#queue.add(one.atMs, () => this.#happenings.happen(one));
    const slowest = Math.max(...this.plan.nodes.map((node) => node.startMs + this.plan.boundMs(node)));
    const { stepMs } = this.plan;
    let nextStepMs = stepMs;
    while (!this.#isDone() && this.nowMs < GIVE_UP_AFTER * slowest) {
      const isIdle = this.#transfers.isIdle;
      if (isIdle && this.#queue.nextMs === Number.POSITIVE_INFINITY) break;
      if (isIdle && this.#queue.nextMs > nextStepMs) nextStepMs = Math.ceil(this.#queue.nextMs / stepMs) * stepMs;
      this.#runEvents(nextStepMs);
      this.nowMs = nextStepMs;
      this.#transfers.step(stepMs);
      nextStepMs += stepMs;
    }
    return this.#outcome();
  }

  #runEvents(untilMs: number): void {
    for (;;) {
      const atMs = this.#queue.nextMs;
      if (atMs > untilMs) return;
      this.nowMs = Math.max(this.nowMs, atMs);
      this.#queue.take()?.();
    }
  }

  #outcome(): Outcome {
    const { egressBytes, movedBytes, refusals } = this.#transfers;
    return {
      nodes: this.nodes,
      endMs: this.nowMs,
      egressBytes,
      movedBytes,
      gossipBytes: this.nodes.reduce((sum, node) => sum + node.gossipBytes, 0),
      reasons: this.#reasons,
      inputs: this.#inputs,
      decisions: this.#decisions,
      refusals,
      cpuMs: this.#timedMs * TIMED_EVERY,
    };
  }

  get partition(): number | undefined {
    return this.#happenings.partition;
  }

  get(id: NodeId): SimNode {
    return this.#byId.get(id) as SimNode;
  }

  isReachable(a: SimNode, b: SimNode): boolean {
    if (!a.isUp || !b.isUp) return false;
    return this.partition === undefined || a.index < this.partition === b.index < this.partition;
  }

  after(delayMs: number, run: () => void): void {
    this.#queue.add(this.nowMs + delayMs, run);
  }

  send(node: SimNode, input: Input): void {
    if (!node.isUp || node.isHung || (node.plan.isLiar === true && input.type !== "peer-up")) return;
    if (node.pausedUntilMs > this.nowMs || node.backlog.length > 0) {
      this.#putOff(node, input);
      return;
    }
    this.#give(node, input);
  }

  /** What came while the node was paused is dealt with afterwards, in order. */
  #putOff(node: SimNode, input: Input): void {
    node.backlog.push(input);
    if (node.backlog.length === 1) this.#queue.add(node.pausedUntilMs, () => this.#catchUp(node));
  }

  #catchUp(node: SimNode): void {
    if (node.pausedUntilMs > this.nowMs) {
      this.#queue.add(node.pausedUntilMs, () => this.#catchUp(node));
      return;
    }
    const inputs = node.backlog.splice(0);
    if (node.isUp && !node.isHung) for (const input of inputs) this.#give(node, input);
  }

  #give(node: SimNode, input: Input): void {
    this.#inputs += 1;
    const effects = this.#inputs % TIMED_EVERY === 0 ? this.#handleTimed(node, input) : this.#handle(node, input);
    for (const effect of effects) this.#carryOut(node, effect);
  }

  #handle(node: SimNode, input: Input): readonly Effect[] {
    const { clock } = node.plan;
    return node.engine.handle(input, clock === undefined ? this.nowMs : clock.offsetMs + this.nowMs * clock.rate);
  }

  #handleTimed(node: SimNode, input: Input): readonly Effect[] {
    const began = performance.now();
    const effects = this.#handle(node, input);
    this.#timedMs += performance.now() - began;
    return effects;
  }

  #comeUp(node: SimNode): void {
    node.isUp = true;
    if (node.plan.isSeed === true) for (const blob of this.#blobs) this.send(node, { type: "have", blob });
    for (const other of this.nodes) {
      if (other === node || !other.isUp) continue;
      this.#gossip.introduce(node, other);
      this.#gossip.introduce(other, node);
    }
    if (node.plan.isLiar === true) this.#gossip.lie(node);
  }

  #pull(node: SimNode): void {
    if (node.left === 0) return;
    for (const [order, blob] of this.#blobs.entries()) {
      const options = { peers: true, origin: this.plan.origin !== null, originRequests: WORKERS, order, headBytes: 0 };
      this.send(node, { type: "want", pull: 1, blob, options });
    }
  }

  #carryOut(node: SimNode, effect: Effect): void {
    switch (effect.type) {
      case "open": {
        const blob = effect.blob.id;
        this.after(STORE_MS, () => this.send(node, { type: "opened", blob, state: { checked: [], partial: [] } }));
        break;
      }
      case "fetch":
        this.#transfers.fetch(node, effect);
        break;
      case "cancel":
        this.after(0, () => this.#transfers.cancel(node, effect.attempt));
        break;
      case "finish":
        this.after(STORE_MS, () => this.#finish(node, effect.blob));
        break;
      case "settled":
        this.#settled(node, effect);
        break;
      case "wake":
        this.#wakeAt(node, effect.atMs);
        break;
      case "announce":
        this.#gossip.announce(node, effect.record);
        break;
      case "tell":
        this.#gossip.tell(node, effect.peer, effect.record);
        break;
      case "stop-serving":
        this.#transfers.stopServing(node, effect.request);
        break;
      case "ban":
        node.banned.add(effect.peer);
        break;
      case "decision":
        this.#decisions += 1;
        this.#reasons.set(effect.reason, (this.#reasons.get(effect.reason) ?? 0) + 1);
        break;
      case "answer":
        this.#transfers.answer(effect.request, effect.verdict);
        break;
      case "close":
        break;
    }
  }

  #wakeAt(node: SimNode, atMs: number): void {
    node.wakeAtMs = atMs;
    if (atMs === Number.POSITIVE_INFINITY) return;
    const { clock } = node.plan;
    const trueMs = clock === undefined ? atMs : (atMs - clock.offsetMs) / clock.rate + 0.001;
    this.#queue.add(Math.max(this.nowMs, trueMs), () => {
      if (node.wakeAtMs !== atMs) return;
      node.wakeAtMs = Number.POSITIVE_INFINITY;
      this.send(node, { type: "wake" });
    });
  }

  #finish(node: SimNode, blob: BlobId): void {
    const index = this.#blobIndex.get(blob) as number;
    const suspects = this.#transfers.testimony.suspects(node, index);
    if (suspects.size > 0) {
      this.#inquire(node, blob, suspects);
      return;
    }
    this.#transfers.holdings.complete(node.index, index);
    this.send(node, { type: "verified", blob });
  }

  /**
   * The whole file is wrong: one shard of each liar that is not known yet is compared with the origin's; then all that rests on the word
   * of any is worthless.
   */
  #inquire(node: SimNode, blob: BlobId, suspects: ReadonlyMap<NodeId, readonly number[]>): void {
    const unproven = [...suspects].filter(([liar]) => !node.banned.has(liar));
    let left = unproven.length;
    const reject = () => {
      const shards = [...suspects.values()].flat();
      this.send(node, { type: "corrupt", blob, shards, culprits: [...suspects.keys()] });
    };
    if (left === 0) reject();
    for (const [, [shard = 0]] of unproven) {
      this.#transfers.compare(node, this.#blobIndex.get(blob) as number, shard, () => {
        left -= 1;
        if (left === 0) reject();
      });
    }
  }

  #settled(node: SimNode, { fault, blob }: Effective<"settled">): void {
    if (fault !== undefined) node.failure = `${blob.slice(-2)}: ${fault.code} ${fault.message}`;
    node.left -= 1;
    if (node.left === 0) node.doneMs = this.nowMs;
  }

  #isDone(): boolean {
    return this.nodes.every((node) => node.left === 0 || node.isHung || (!node.isUp && node.plan.upMs < this.nowMs));
  }
}
