/** Copies on the LAN: what the keeper asks of the other nodes, and what this node answers them. */
import { type BlobId, formatRepo, type NodeId, toSwarmError } from "@swarmd/protocol";
import type { CopiesRequest, CopiesResponse, PlaceRequest } from "@swarmd/protocol/wire";
import type { Keeper } from "./keeper/keeper.js";
import type { Neighbours } from "./keeper/ports.js";
import type { Logger } from "./observe/logger.js";
import type { Pulls } from "./pull/pulls.js";
import type { BlobStore } from "./store/blob-store.js";
import type { Swarm } from "./swarm.js";

/** The half that asks. */
export function neighboursOf(
  swarm: Pick<Swarm, "id" | "connected" | "askAboutCopies">,
  holders: (blob: BlobId) => readonly NodeId[],
): Neighbours {
  return {
    get self() {
      return swarm.id;
    },
    get peers() {
      return swarm.connected;
    },
    holders,
    askToKeep: async (peer, blobs, options) => {
      const answer = await swarm.askAboutCopies(peer, { type: "keep", blobs }, options);
      // What was not asked for is not believed.
      return answer.type === "kept" ? answer.blobs.filter((blob) => blobs.includes(blob)) : [];
    },
    askToPlace: async (peer, request, options) => {
      const answer = await swarm.askAboutCopies(peer, { type: "place", ...request }, options);
      return answer.type === "placed" ? answer : { answer: "no", roomBytes: 0 };
    },
  };
}

export interface CopyDeskDeps {
  readonly keeper: Pick<Keeper, "roomFor" | "holdCopy" | "keepFor">;
  readonly store: Pick<BlobStore, "find" | "has">;
  readonly pulls: Pick<Pulls, "run">;
  readonly logger: Logger;
  /** Whether peers may know that this node has something to do with a blob. */
  readonly mayTellOf: (blob: BlobId) => boolean;
  readonly takesCopies: boolean;
}

/** The half that answers. */
export class CopyDesk {
  readonly #deps: CopyDeskDeps;
  readonly #stopped = new AbortController();
  /** One at a time: nobody fills this disk with a burst of requests. */
  #fetching: { readonly id: string; readonly done: Promise<void> } | undefined;

  constructor(deps: CopyDeskDeps) {
    this.#deps = deps;
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#fetching?.done;
  }

  async answer(peer: NodeId, request: CopiesRequest): Promise<CopiesResponse> {
    if (request.type === "keep") return { type: "kept", blobs: await this.#keep(peer, request.blobs) };
    const { answer, roomBytes } = await this.#place(peer, request);
    return { type: "placed", answer, roomBytes };
  }

  async #keep(peer: NodeId, blobs: readonly BlobId[]): Promise<readonly BlobId[]> {
    const { keeper, store, mayTellOf } = this.#deps;
    const there = new Set<BlobId>();
    for (const blob of blobs) if (mayTellOf(blob) && (await store.find(blob)) !== undefined) there.add(blob);
    // In one turn with the promise: a removal that has begun meanwhile is known to the keeper.
    return keeper.keepFor(peer, [...there], (blob) => store.has(blob));
  }

  async #place(
    peer: NodeId,
    request: PlaceRequest,
  ): Promise<{ answer: "here" | "coming" | "full" | "no"; roomBytes: number }> {
    const { keeper, takesCopies, logger } = this.#deps;
    const id = `${formatRepo(request.repo)}@${request.commit}`;
    const { isHere, roomBytes } = await keeper.roomFor(request.repo, request.commit, {
      signal: this.#stopped.signal,
      sizeBytes: request.sizeBytes,
    });
    if (isHere) {
      if (!request.isJustAsking) keeper.holdCopy(request.repo, request.commit, request.leaseMs);
      return { answer: "here", roomBytes };
    }
    if (this.#fetching?.id === id) return { answer: "coming", roomBytes };
    if (!takesCopies || this.#fetching !== undefined) return { answer: "no", roomBytes };
    if (roomBytes < request.sizeBytes) return { answer: "full", roomBytes };
    if (request.isJustAsking) return { answer: "coming", roomBytes };
    logger.info({ peer, model: id, bytes: request.sizeBytes }, "takes a copy that a peer wants kept");
    this.#fetching = { id, done: this.#fetch(id, request) };
    return { answer: "coming", roomBytes };
  }

  async #fetch(id: string, { repo, commit, leaseMs }: PlaceRequest): Promise<void> {
    const { pulls, keeper, logger } = this.#deps;
    try {
      keeper.holdCopy(repo, commit, leaseMs);
      await pulls.run({ target: id }, () => undefined, this.#stopped.signal);
    } catch (error) {
      const { code, message } = toSwarmError(error);
      if (code !== "INTERRUPTED") logger.warn({ model: id, code }, `could not take a copy: ${message}`);
    } finally {
      this.#fetching = undefined;
    }
  }
}
