/** One node of the cache simulation: plans and promises are the daemon's own; disks and messages are numbers. */
import { indexCache } from "@swarmd/daemon/core/policy/eviction/cache-index";
import type { CacheState } from "@swarmd/daemon/core/policy/eviction/cache-state";
import { choosePlaces } from "@swarmd/daemon/core/policy/eviction/placement";
import { planEviction } from "@swarmd/daemon/core/policy/eviction/plan-eviction";
import { Promises } from "@swarmd/daemon/core/policy/eviction/promises";
import { drawOf, keyOf } from "@swarmd/daemon/core/rendezvous";
import type { BlobId, NodeId } from "@swarmd/protocol";
import type { CacheWorld } from "./cache-world.js";

interface Held {
  lastUsedMs: number;
  isPinned: boolean;
}

/** What one node may ask another. */
export type Question = "keep" | "place";
/** `lacks`: it has not got it. `full`: it has no room. */
export type Answer = "yes" | "no" | "lacks" | "full";

/** Copying takes so long per unit of size. */
const COPY_MS = 400;

export class CacheNode {
  readonly name: string;
  readonly capacity: number;
  readonly held = new Map<number, Held>();
  readonly promises: Promises;
  /** What others are believed to hold: as old and as wrong as the messages are. */
  readonly believed = new Map<CacheNode, Set<number>>();
  isUp = true;
  #reserved = 0;
  readonly #world: CacheWorld;
  readonly #coming = new Set<number>();

  constructor(world: CacheWorld, name: string, capacity: number) {
    this.#world = world;
    this.name = name;
    this.capacity = capacity;
    const rank = (node: NodeId, blob: BlobId) => drawOf(keyOf(node), keyOf(blob));
    this.promises = new Promises({ self: name as NodeId, rank });
  }

  /** What it may take without evicting. */
  get room(): number {
    let used = this.#reserved;
    for (const model of this.held.keys()) used += this.#world.sizeOf(model);
    return this.capacity - used;
  }

  /** Somebody asks this node for a model. */
  request(model: number): void {
    const known = this.held.get(model);
    if (known !== undefined) {
      known.lastUsedMs = this.#world.nowMs;
      return;
    }
    if (this.#coming.has(model)) return;
    this.#coming.add(model);
    this.#makeRoom(model, () => {
      if (this.room >= this.#world.sizeOf(model)) this.#take(model, () => this.#coming.delete(model));
      else this.#coming.delete(model);
    });
  }

  /** What was untouched for so long goes. */
  expire(ttlMs: number): void {
    const plan = planEviction({
      cache: indexCache(this.#state()),
      policy: "ttl",
      bounds: { ttlMs },
      nowMs: this.#world.nowMs,
    });
    if (plan.kind === "go") this.#dropAll(plan.victims.map(({ revision }) => Number(revision.id)));
  }

  pin(model: number, isPinned: boolean): void {
    const known = this.held.get(model);
    if (known !== undefined) known.isPinned = isPinned;
  }

  /** Another node asks. */
  answer(from: CacheNode, question: Question, model: number, reply: (answer: Answer) => void): void {
    if (question === "keep") {
      if (!this.held.has(model)) reply("lacks");
      else reply(this.promises.promise(from.name as NodeId, blobOf(model)) ? "yes" : "no");
    } else if (this.held.has(model)) reply("yes");
    else if (this.#coming.has(model)) reply("no");
    else if (this.room < this.#world.sizeOf(model)) reply("full");
    else {
      this.#coming.add(model);
      this.#take(model, () => {
        this.#coming.delete(model);
        reply("yes");
      });
    }
  }

  #makeRoom(model: number, then: () => void): void {
    const plan = planEviction({
      cache: indexCache(this.#state()),
      policy: "lru",
      bounds: { maxBytes: this.capacity - this.#reserved },
      newcomer: { model: String(model), neededBytes: this.#world.sizeOf(model), isPinned: false },
      nowMs: this.#world.nowMs,
    });
    this.#dropAll(plan.kind === "full" ? [] : plan.victims.map(({ revision }) => Number(revision.id)), then);
  }

  #dropAll(models: readonly number[], then: () => void = () => undefined): void {
    const [first, ...rest] = models;
    if (first === undefined) then();
    else this.#drop(first, () => this.#dropAll(rest, then));
  }

  /** Drops a model once a holder has promised to keep it, or nobody has room for it. */
  #drop(model: number, then: () => void): void {
    const world = this.#world;
    const blob = blobOf(model);
    const beganMs = world.nowMs;
    if (!this.held.has(model)) {
      then();
      return;
    }
    const intent = this.promises.intend(blob);
    const end = (mayDrop: boolean) => {
      if (mayDrop && this.promises.stands(blob, intent) && this.held.get(model)?.isPinned === false) {
        this.held.delete(model);
        world.dropped(this, model, beganMs);
        this.#tell();
      }
      this.promises.withdraw(blob, intent);
      then();
    };
    const holders = world.others(this).filter((other) => this.believed.get(other)?.has(model) === true);
    this.#askInTurn(holders, "keep", model, (answers) => {
      if (answers.includes("yes")) end(true);
      // One that said nothing, or that has plans of its own, may still have it: then it is not ours to judge.
      else if (answers.includes(undefined) || answers.includes("no")) end(false);
      else this.#handOver(model, end);
    });
  }

  /** The last copy: somebody with room takes it over first. */
  #handOver(model: number, end: (mayDrop: boolean) => void): void {
    const others = this.#world.others(this);
    const rooms = others.map((node) => ({
      node: node.name as NodeId,
      roomBytes: Math.max(1, node.room),
      holdsIt: false,
    }));
    const order = choosePlaces(rooms, 0, others.length).map(
      (name) => others.find((one) => one.name === name) as CacheNode,
    );
    this.#askInTurn(order, "place", model, (answers) => {
      end(answers.includes("yes") || answers.every((answer) => answer === "full"));
    });
  }

  /** Until one says yes. */
  #askInTurn(
    nodes: readonly CacheNode[],
    question: Question,
    model: number,
    then: (answers: readonly (Answer | undefined)[]) => void,
    before: readonly (Answer | undefined)[] = [],
  ): void {
    const [first, ...rest] = nodes;
    if (first === undefined) {
      then(before);
      return;
    }
    this.#world.ask(this, first, question, model, (answer) => {
      const answers = [...before, answer];
      if (answer === "yes") then(answers);
      else this.#askInTurn(rest, question, model, then, answers);
    });
  }

  #take(model: number, then: () => void): void {
    const sizeBytes = this.#world.sizeOf(model);
    this.#reserved += sizeBytes;
    this.#world.after(COPY_MS * sizeBytes, () => {
      this.#reserved -= sizeBytes;
      this.held.set(model, { lastUsedMs: this.#world.nowMs, isPinned: false });
      this.#tell();
      then();
    });
  }

  #tell(): void {
    const holds = [...this.held.keys()];
    for (const other of this.#world.others(this)) {
      this.#world.send(this, other, () => other.believed.set(this, new Set(holds)));
    }
  }

  #state(): CacheState {
    const world = this.#world;
    const all = [...this.held];
    const copies = (model: number) => [...this.believed.values()].filter((holds) => holds.has(model)).length;
    return {
      blobs: all.map(([model]) => ({ sizeBytes: world.sizeOf(model), copiesElsewhere: copies(model) })),
      revisions: all.map(([model, { lastUsedMs, isPinned }], index) => ({
        id: String(model),
        model: String(model),
        lastUsedMs,
        isOld: false,
        isPinned,
        keep: isPinned ? "pin" : undefined,
        blobs: [index],
      })),
      disk: { freeBytes: Number.MAX_SAFE_INTEGER, totalBytes: Number.MAX_SAFE_INTEGER },
    };
  }
}

function blobOf(model: number): BlobId {
  return `sha256:${model.toString(16).padStart(64, "0")}` as BlobId;
}
