/**
 * *Purpose*: tells peers what shards rest on, as soon as there is something to tell. *In*: questions of known peers, the shelf where the
 * evidence is. *Out*: an answer per shard. *Never*: tells a peer about a blob whose bytes it may not have.
 */
import { type BlobId, type NodeId, SwarmError } from "@swarmd/protocol";
import type { EvidenceAnswer, EvidenceItem, EvidenceRequest } from "@swarmd/protocol/wire";

/** What is known of one blob's shards. */
export interface EvidenceShelf {
  readonly sizeBytes: number;
  readonly shardBytes: number;
  /**
   * `coming`: the shard is not checked yet, but may be.
   *
   * @param root the one that proofs have to lead to; without it, proofs are of no use
   */
  find(shard: number, root?: Uint8Array): Promise<readonly EvidenceItem[] | "coming">;
  /** The proof of a shard that is checked, or nothing; without waiting for anything. */
  prove(shard: number, root: Uint8Array): Promise<readonly EvidenceItem[]>;
  /** Calls back for every shard that is checked or discarded; the returned function takes it back. */
  onJudged(listener: (shard: number, fate: "checked" | "discarded") => void): () => void;
}

export interface EvidenceDeskDeps {
  /** By the same rules as bytes. */
  readonly isAllowed: (peer: NodeId, blob: BlobId) => boolean;
  /** `undefined`: there is nothing of this blob here. */
  readonly open: (blob: BlobId) => Promise<EvidenceShelf | undefined>;
}

export class EvidenceDesk {
  readonly #deps: EvidenceDeskDeps;

  constructor(deps: EvidenceDeskDeps) {
    this.#deps = deps;
  }

  /** @throws SwarmError PEER_DENIED, INTERRUPTED on abort */
  async *answers(
    peer: NodeId,
    { blob, sizeBytes, shardBytes, shards, root, proofsNow = false }: EvidenceRequest,
    { signal }: { readonly signal: AbortSignal },
  ): AsyncGenerator<EvidenceAnswer, void, undefined> {
    if (!this.#deps.isAllowed(peer, blob)) throw new SwarmError("PEER_DENIED", "this is not for you");
    const shelf = await this.#deps.open(blob);
    const wanted = new Set(shards);
    if (shelf === undefined || shelf.sizeBytes !== sizeBytes || shelf.shardBytes !== shardBytes) {
      for (const shard of wanted) yield none(shard);
      return;
    }
    if (root !== undefined && proofsNow) yield* prove(shelf, wanted, root);
    else yield* new Watch(shelf, wanted, root, signal).answers();
  }
}

async function* prove(shelf: EvidenceShelf, wanted: Set<number>, root: Uint8Array) {
  for (const shard of wanted) yield { shard, items: await shelf.prove(shard, root), isTainted: false };
}

/** One question that stays open. */
class Watch {
  readonly #shelf: EvidenceShelf;
  readonly #wanted: Set<number>;
  readonly #root: Uint8Array | undefined;
  readonly #signal: AbortSignal;
  readonly #tainted = new Set<number>();
  #changed = false;
  #wake: () => void = () => undefined;

  constructor(shelf: EvidenceShelf, wanted: Set<number>, root: Uint8Array | undefined, signal: AbortSignal) {
    this.#shelf = shelf;
    this.#wanted = wanted;
    this.#root = root;
    this.#signal = signal;
  }

  async *answers(): AsyncGenerator<EvidenceAnswer, void, undefined> {
    const stopListening = this.#shelf.onJudged((shard, fate) => {
      if (!this.#wanted.has(shard)) return;
      if (fate === "discarded") this.#tainted.add(shard);
      this.#changed = true;
      this.#wake();
    });
    try {
      while (this.#wanted.size > 0) {
        this.#changed = false;
        for (const shard of [...this.#wanted]) {
          const answer = await this.#answer(shard);
          if (answer === undefined) continue;
          this.#wanted.delete(shard);
          yield answer;
        }
        if (this.#wanted.size > 0 && !this.#changed) await this.#nextChange();
      }
    } finally {
      stopListening();
    }
  }

  /** Who asked before the shard was thrown away has bytes of it that are wrong, whatever came in their place since. */
  async #answer(shard: number): Promise<EvidenceAnswer | undefined> {
    if (this.#tainted.has(shard)) return { shard, items: [], isTainted: true };
    const found = await this.#shelf.find(shard, this.#root);
    if (this.#tainted.has(shard)) return { shard, items: [], isTainted: true };
    return found === "coming" ? undefined : { shard, items: found, isTainted: false };
  }

  #nextChange(): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => reject(new SwarmError("INTERRUPTED", "the question was taken back"));
      this.#wake = () => {
        this.#signal.removeEventListener("abort", onAbort);
        resolve();
      };
      if (this.#signal.aborted) onAbort();
      else this.#signal.addEventListener("abort", onAbort, { once: true });
    });
  }
}

function none(shard: number): EvidenceAnswer {
  return { shard, items: [], isTainted: false };
}
