/**
 * Eight nodes with small caches, random requests, and messages that are late or lost: is a last copy ever lost while there was room?
 *
 * A run is a function of its seed.
 */
import { seededRandom } from "../../support/seeded-random.js";
import { EventQueue } from "../event-queue.js";
import { type Answer, CacheNode, type Question } from "./cache-node.js";

export interface SafetyOptions {
  readonly seed: number;
  readonly nodes: number;
  readonly operations: number;
}

export interface SafetyResult {
  /** Last copies that were dropped although another node had room for them all the while. */
  readonly lostWithRoom: number;
  /** Last copies that were dropped because there was no room anywhere. */
  readonly lostWithoutRoom: number;
  readonly drops: number;
  /** Drops that two or more nodes were after at the same moment. */
  readonly contested: number;
}

const MODELS = 40;
const MOST_SIZE = 3;
const LOST_SHARE = 0.1;
const MOST_DELAY_MS = 2_000;
const ANSWER_MS = 5_000;
/** Between operations: short against the delays, so that decisions cross. */
const GAP_MS = 150;

export class CacheWorld {
  nowMs = 0;
  readonly nodes: CacheNode[] = [];
  readonly result = { lostWithRoom: 0, lostWithoutRoom: 0, drops: 0, contested: 0 };
  readonly #queue = new EventQueue();
  readonly #random: () => number;
  readonly #sizes: readonly number[];
  /** Since when each node is up and has room for each size. */
  readonly #roomSinceMs = new Map<CacheNode, number[]>();
  #lastDrop = new Map<number, number>();

  constructor({ seed, nodes }: SafetyOptions) {
    this.#random = seededRandom(seed);
    this.#sizes = Array.from({ length: MODELS }, () => 1 + Math.floor(this.#random() * MOST_SIZE));
    // From "hardly anything fits" to "everything fits".
    const capacity = 4 + Math.floor(this.#random() * 14);
    for (let at = 0; at < nodes; at += 1) {
      // Two of them may be bigger: there is room, but not where it is needed.
      const extra = at < 2 ? 4 * MODELS * this.#random() ** 3 : 4 * this.#random();
      const node = new CacheNode(this, `node-${at}`, capacity + Math.floor(extra));
      this.nodes.push(node);
      this.#roomSinceMs.set(node, new Array<number>(MOST_SIZE + 1).fill(0));
    }
  }

  run(operations: number): SafetyResult {
    for (let at = 0; at < operations; at += 1) this.#queue.add(at * GAP_MS, () => this.#operate());
    while (this.#queue.nextMs !== Number.POSITIVE_INFINITY) {
      this.nowMs = this.#queue.nextMs;
      this.#queue.take()?.();
      this.#watchRoom();
    }
    return this.result;
  }

  sizeOf(model: number): number {
    return this.#sizes[model] as number;
  }

  others(self: CacheNode): readonly CacheNode[] {
    return this.nodes.filter((node) => node !== self);
  }

  after(delayMs: number, run: () => void): void {
    this.#queue.add(this.nowMs + delayMs, run);
  }

  /** Late, or never. */
  send(from: CacheNode, to: CacheNode, deliver: () => void): void {
    if (!from.isUp || this.#random() < LOST_SHARE) return;
    this.after(this.#random() * MOST_DELAY_MS, () => {
      if (to.isUp) deliver();
    });
  }

  /** One question; `undefined` when no answer comes in time. */
  ask(
    from: CacheNode,
    to: CacheNode,
    question: Question,
    model: number,
    then: (answer: Answer | undefined) => void,
  ): void {
    let isOver = false;
    const end = (answer: Answer | undefined) => {
      if (isOver) return;
      isOver = true;
      then(answer);
    };
    this.send(from, to, () => {
      to.answer(from, question, model, (answer) => this.send(to, from, () => end(answer)));
    });
    this.after(ANSWER_MS, () => end(undefined));
  }

  dropped(by: CacheNode, model: number, sinceMs: number): void {
    this.result.drops += 1;
    if (this.nowMs - (this.#lastDrop.get(model) ?? Number.NEGATIVE_INFINITY) < MOST_DELAY_MS)
      this.result.contested += 1;
    this.#lastDrop.set(model, this.nowMs);
    if (this.nodes.some((node) => node.held.has(model))) return;
    const size = this.sizeOf(model);
    const hadRoom = this.others(by).some((node) => (this.#roomSinceMs.get(node)?.[size] ?? this.nowMs) <= sinceMs);
    if (hadRoom) this.result.lostWithRoom += 1;
    else this.result.lostWithoutRoom += 1;
  }

  #operate(): void {
    const node = this.#pick(this.nodes);
    const dice = this.#random();
    // Popular models are popular everywhere: that is where decisions meet.
    const model = Math.floor(this.#random() ** 2 * MODELS);
    if (dice < 0.86) {
      if (node.isUp) node.request(model);
    } else if (dice < 0.9) node.pin(model, true);
    else if (dice < 0.95) node.pin(model, false);
    else if (dice < 0.97) {
      if (node.isUp) node.expire(30_000 + this.#random() * 60_000);
    } else if (node.isUp) {
      node.isUp = false;
      this.after(this.#random() * 20_000, () => {
        node.isUp = true;
      });
    }
  }

  #pick<One>(all: readonly One[]): One {
    return all[Math.floor(this.#random() * all.length)] as One;
  }

  #watchRoom(): void {
    for (const [node, since] of this.#roomSinceMs) {
      const room = node.isUp ? node.room : 0;
      for (let size = 1; size <= MOST_SIZE; size += 1) {
        if (room < size) since[size] = Number.POSITIVE_INFINITY;
        else if (since[size] === Number.POSITIVE_INFINITY) since[size] = this.nowMs;
      }
    }
  }
}

export function runSafety(options: SafetyOptions): SafetyResult {
  return new CacheWorld(options).run(options.operations);
}
