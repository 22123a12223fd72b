/**
 * Notices peers that went away without a word: who has said nothing for a while is asked, and taken for gone if neither its program nor its
 * machine answers.
 *
 * A connection whose peer is out of reach does not end: TCP sends again and again, more and more seldom, so that after a minute of a
 * partition it takes another half to go on. Cutting it means that the peers find each other anew at once.
 */
import type { NodeId } from "@swarmd/protocol";

export interface PeerPulseOptions {
  /** How often to see who is quiet. */
  readonly lookMs: number;
  /** A peer that was heard within this time is there; a node at rest speaks every 20 s. */
  readonly quietMs: number;
  /** The same for each peer: with many, each is asked less often. */
  readonly quietPerPeerMs: number;
}

export const PEER_PULSE: PeerPulseOptions = { lookMs: 1_000, quietMs: 10_000, quietPerPeerMs: 300 };

export interface PeerPulseDeps<Connection> {
  /** One for each open connection, and who is at its other end. */
  readonly connections: () => readonly { readonly peer: NodeId; readonly connection: Connection }[];
  /** Whether something answers there. Never rejects, and takes a few seconds at most. */
  readonly answers: (connection: Connection) => Promise<boolean>;
  /** Nothing answers. */
  readonly cut: (connection: Connection) => void;
  readonly nowMs: () => number;
}

export class PeerPulse<Connection> {
  readonly #options: PeerPulseOptions;
  readonly #deps: PeerPulseDeps<Connection>;
  readonly #heardMs = new Map<NodeId, number>();
  readonly #asked = new Set<Connection>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: PeerPulseOptions, deps: PeerPulseDeps<Connection>) {
    this.#options = options;
    this.#deps = deps;
  }

  start(): void {
    this.#timer = setInterval(() => this.look(), this.#options.lookMs);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** A peer said something, or has just connected. */
  heard(peer: NodeId): void {
    this.#heardMs.set(peer, this.#deps.nowMs());
  }

  gone(peer: NodeId): void {
    this.#heardMs.delete(peer);
  }

  /** Asks everybody who is quiet. */
  look(): void {
    const { quietMs, quietPerPeerMs } = this.#options;
    const longMs = Math.max(quietMs, quietPerPeerMs * this.#heardMs.size);
    const nowMs = this.#deps.nowMs();
    for (const { peer, connection } of this.#deps.connections()) {
      const isQuiet = nowMs - (this.#heardMs.get(peer) ?? nowMs) >= longMs;
      if (isQuiet && !this.#asked.has(connection)) void this.#ask(peer, connection);
    }
  }

  async #ask(peer: NodeId, connection: Connection): Promise<void> {
    this.#asked.add(connection);
    const isThere = await this.#deps.answers(connection);
    this.#asked.delete(connection);
    if (!isThere) this.#deps.cut(connection);
    else if (this.#heardMs.has(peer)) this.heard(peer);
  }
}
