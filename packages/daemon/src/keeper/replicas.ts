/** Keeps as many copies on the LAN as pins ask for: asks the holders to go on holding, and others to take one where some are missing. */
import { type CommitId, formatRepo, type RepoRef } from "@swarmd/protocol";
import { placeCopies } from "./place.js";
import type { KeeperLog, Neighbours, PinBook } from "./ports.js";

/** A pinned revision that is whole on this node. */
export interface PinnedRevision {
  readonly repo: RepoRef;
  readonly commit: CommitId;
  readonly sizeBytes: number;
}

export interface ReplicasDeps {
  readonly pins: PinBook;
  readonly neighbours: () => Neighbours | undefined;
  /** Those that a pin means, and that may be known to peers. @throws SwarmError INTERRUPTED */
  readonly find: (pin: PinBook["pins"][number], options: { signal: AbortSignal }) => Promise<readonly PinnedRevision[]>;
  readonly logger: KeeperLog;
}

const EVERY_MS = 60_000;
/** A holder that hears nothing for so long lets its copy go like any other. */
const LEASE_MS = 3_600_000;

export class Replicas {
  readonly #deps: ReplicasDeps;
  readonly #everyMs: number;
  readonly #stopped = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();

  constructor(deps: ReplicasDeps, everyMs: number = EVERY_MS) {
    this.#deps = deps;
    this.#everyMs = everyMs;
  }

  start(): void {
    this.#timer = setInterval(() => this.lookSoon(), this.#everyMs).unref();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    clearInterval(this.#timer);
    await this.#looking;
  }

  /** A pin has changed, or something pinned has come. */
  lookSoon(): void {
    this.#looking = this.#looking.then(() => this.#look()).catch(() => undefined);
  }

  async #look(): Promise<void> {
    const { pins, neighbours, find, logger } = this.#deps;
    const { signal } = this.#stopped;
    for (const pin of pins.pins.filter(({ copies }) => copies > 1)) {
      for (const { repo, commit, sizeBytes } of await find(pin, { signal })) {
        const around = neighbours();
        if (around === undefined) return;
        const order = { repo, commit, sizeBytes, leaseMs: LEASE_MS, isJustAsking: false };
        const { placed } = await placeCopies(around, order, pin.copies - 1, signal);
        const lacking = pin.copies - 1 - placed.length;
        if (lacking <= 0) continue;
        const model = `${formatRepo(repo)}@${commit}`;
        logger.warn({ model, lacking }, "too few copies on the LAN: no other node takes one");
      }
    }
  }
}
