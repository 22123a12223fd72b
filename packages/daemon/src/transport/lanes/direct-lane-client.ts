/** Fetches ranges from peers over the direct lane: asks for tickets, hands the work to a thread, tells what it wrote. */
import { type BlobId, fromFault, type NodeId, SwarmError } from "@swarmd/protocol";
import { LANE_DEADLINES, type LaneDeadlines } from "./lane-orders.js";
import { type FetchOutcome, LaneThreads, type ShardProofs } from "./lane-threads.js";
import type { LaneRoutes, LaneTicket, TicketSource } from "./ports.js";
import type { RateLimit } from "./rate-limit.js";

/** One range of a blob, and the staging file it goes to. The transfer room's port of the same name. */
export interface FileFetch {
  readonly blob: BlobId;
  readonly startBytes: number;
  readonly endBytes: number;
  /** The staging file: bytes are written into it in place. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly shardBytes: number;
  /** The `ShardClaims` of the file: each shard is taken before it is written to, and what counts is left alone. */
  readonly claims: SharedArrayBuffer;
  /** As whom shards are taken. */
  readonly owner: number;
  /**
   * Everything of the range below `positionBytes` is in the file; `hash` is the BLAKE3, up to there, of the shard that ends there
   * or is in progress there. Called at least at the end of every shard.
   */
  onWritten(positionBytes: number, hash: Uint8Array): void;
  /** What shards are held against as they arrive. */
  readonly proofs?: ShardProofs | undefined;
}

/** Fetches into files by itself. The transfer room's port of the same name. */
export interface FileSource {
  fetch(order: FileFetch, options: { readonly signal: AbortSignal }): Promise<void>;
}

/** What one fetch brought, for the rates that `swarm peers` shows. */
export interface LaneDelivery {
  readonly peer: NodeId;
  /** The link that was used in the end; not the one asked for, if that one failed. */
  readonly link: string;
  readonly bytes: number;
  /** Of the client's clock. */
  readonly startedMs: number;
  readonly endedMs: number;
}

export interface DirectLaneClientOptions {
  readonly threads?: number;
  readonly deadlines?: Partial<LaneDeadlines>;
}

export interface DirectLaneClientDeps {
  readonly tickets: TicketSource;
  readonly routes: LaneRoutes;
  readonly downloadLimit: RateLimit;
  readonly nowMs: () => number;
  readonly onDelivery?: (delivery: LaneDelivery) => void;
  /** Packets to this host of a peer vanish, while others of its addresses answer: what else goes over it would wait for long. */
  readonly onDeadHost?: (host: string) => void;
}

interface KeptTicket extends LaneTicket {
  readonly renewAtMs: number;
}

/** Tickets that are kept; the oldest goes first. */
const MOST_TICKETS = 4096;
/** A peer that can't give a ticket in this time is as good as gone. */
const TICKET_MS = 10_000;

export class DirectLaneClient {
  readonly name = "direct-lane-client";
  readonly #deps: DirectLaneClientDeps;
  readonly #threads: LaneThreads;
  readonly #tickets = new Map<string, Promise<KeptTicket>>();

  constructor(opts: DirectLaneClientOptions, deps: DirectLaneClientDeps) {
    this.#deps = deps;
    const data = {
      deadlines: { ...LANE_DEADLINES, ...opts.deadlines },
      downloadLimit: deps.downloadLimit.shared,
    };
    this.#threads = new LaneThreads(opts, data, (host) => deps.onDeadHost?.(host));
  }

  /** Whether the peer can be reached over the direct lane at all. */
  reaches(peer: NodeId, link: string): boolean {
    return this.#deps.routes.addresses(peer, link).length > 0;
  }

  /** The source of one peer over one link; when the link fails, its other links are tried. */
  source(peer: NodeId, link: string): FileSource {
    return { fetch: (order, { signal }) => this.#fetch(peer, link, order, signal) };
  }

  /** Addresses of this node or of peers went away: what came over them goes on over other links, from the byte reached. */
  addressesGone(hosts: readonly string[]): void {
    this.#threads.addressesGone(hosts);
  }

  /** A peer is there: soon something may come from it. */
  prepare(): void {
    this.#threads.prepare();
  }

  /** Ends all threads; what runs rejects with INTERRUPTED. */
  async stop(): Promise<void> {
    await this.#threads.stop();
  }

  async #fetch(peer: NodeId, link: string, order: FileFetch, signal: AbortSignal): Promise<void> {
    const startedMs = this.#deps.nowMs();
    let outcome = await this.#run(peer, link, order, signal);
    if (outcome.needsTicket === true) {
      this.#tickets.delete(keyOf(peer, order.blob));
      outcome = await this.#run(peer, link, { ...order, startBytes: outcome.positionBytes }, signal);
    }
    const { positionBytes, fault } = outcome;
    const bytes = positionBytes - order.startBytes;
    if (bytes > 0 && outcome.link !== undefined) {
      this.#deps.onDelivery?.({ peer, link: outcome.link, bytes, startedMs, endedMs: this.#deps.nowMs() });
    }
    if (fault !== undefined) throw fromFault(fault);
  }

  async #run(peer: NodeId, link: string, order: FileFetch, signal: AbortSignal): Promise<FetchOutcome> {
    const { ticket, certificateSha256, port } = await this.#ticket(peer, order.blob, signal);
    const { onWritten, proofs, ...range } = order;
    const known = this.#deps.routes.addresses(peer, link);
    const addresses = port === undefined ? known : known.map((address) => ({ ...address, port }));
    return this.#threads.run({ ...range, addresses, ticket, certificateSha256 }, { signal, onWritten, proofs });
  }

  /** One ticket per peer and blob serves all requests until it has lived half its time. */
  async #ticket(peer: NodeId, blob: BlobId, signal: AbortSignal): Promise<LaneTicket> {
    const key = keyOf(peer, blob);
    const kept = await this.#tickets.get(key)?.catch(() => undefined);
    if (kept !== undefined && this.#deps.nowMs() < kept.renewAtMs) return kept;
    const asked = this.#ask(peer, blob, AbortSignal.any([signal, AbortSignal.timeout(TICKET_MS)]));
    this.#tickets.delete(key);
    this.#tickets.set(key, asked);
    if (this.#tickets.size > MOST_TICKETS) this.#tickets.delete(this.#tickets.keys().next().value as string);
    try {
      return await asked;
    } catch (error) {
      if (this.#tickets.get(key) === asked) this.#tickets.delete(key);
      if (!signal.aborted && !(error instanceof SwarmError)) {
        throw new SwarmError("PEER_STALLED", `${peer} gave no ticket for ${blob} in time`, { cause: error });
      }
      throw error;
    }
  }

  async #ask(peer: NodeId, blob: BlobId, signal: AbortSignal): Promise<KeptTicket> {
    const ticket = await this.#deps.tickets.get(peer, blob, { signal });
    return { ...ticket, renewAtMs: this.#deps.nowMs() + ticket.validMs / 2 };
  }
}

function keyOf(peer: NodeId, blob: BlobId): string {
  return `${peer} ${blob}`;
}
