/**
 * What two peers tell each other over a stream: who they are, their full state when they meet, and goodbye.
 *
 * A stream carries what there is to say at the moment, then ends. The first message of a connection has a hello.
 */
import type { Stream } from "@libp2p/interface";
import { type NodeId, SwarmError } from "@swarmd/protocol";
import {
  decodeNews,
  encodeNews,
  type PeerNews,
  STATE_MESSAGE_BYTES_MAX,
  STATE_MESSAGES_MAX,
  STATE_PROTOCOL,
} from "@swarmd/protocol/wire";
import type { Logger } from "../observe/logger.js";
import { messagesOf, readMessage, withStream } from "./bounded.js";

export interface StateExchangeDeps {
  readonly openStream: (peer: NodeId, protocol: string, options: { signal: AbortSignal }) => Promise<Stream>;
  readonly heard: (peer: NodeId, news: PeerNews) => void;
  readonly logger: Logger;
}

/** One stream, from its opening to its end. */
const TALK_MS = 10_000;
/** What waits for one peer; one that takes nothing is told everything again when it comes back. */
const WAITING_MAX = STATE_MESSAGES_MAX;
const FIN = new Uint8Array(0);

export class StateExchange {
  readonly #deps: StateExchangeDeps;
  readonly #waiting = new Map<NodeId, PeerNews[]>();
  readonly #sending = new Map<NodeId, Promise<void>>();
  readonly #stopped = new AbortController();

  constructor(deps: StateExchangeDeps) {
    this.#deps = deps;
  }

  /** Sends news to a connected peer, in order. Resolves when the peer has them or can't be told; never rejects. */
  tell(peer: NodeId, news: PeerNews): Promise<void> {
    const waiting = this.#waiting.get(peer) ?? [];
    if (waiting.length >= WAITING_MAX) waiting.shift();
    waiting.push(news);
    this.#waiting.set(peer, waiting);
    let sending = this.#sending.get(peer);
    if (sending === undefined) {
      sending = this.#sendAll(peer).finally(() => this.#sending.delete(peer));
      this.#sending.set(peer, sending);
    }
    return sending;
  }

  /** The connection is gone: what waited is void. */
  dropped(peer: NodeId): void {
    this.#waiting.delete(peer);
  }

  stop(): void {
    this.#stopped.abort();
    this.#waiting.clear();
  }

  /** Takes a stream that a peer opened. @throws SwarmError PEER_FAULT and whatever cuts the stream */
  async take(peer: NodeId, stream: Stream): Promise<void> {
    const signal = this.#deadline();
    await withStream(stream, signal, async () => {
      const messages = messagesOf(stream, STATE_MESSAGE_BYTES_MAX);
      for (let count = 0; ; count += 1) {
        const bytes = await readMessage(messages, signal);
        if (bytes.length === 0) return;
        if (count === STATE_MESSAGES_MAX) throw new SwarmError("PEER_FAULT", `${peer} has too much to say at once`);
        this.#deps.heard(peer, decodeNews(bytes));
      }
    });
  }

  async #sendAll(peer: NodeId): Promise<void> {
    for (;;) {
      // What comes in this very turn goes into the same stream.
      await Promise.resolve();
      const batch = this.#waiting.get(peer) ?? [];
      this.#waiting.delete(peer);
      if (batch.length === 0) return;
      try {
        await this.#send(peer, batch);
      } catch (error) {
        this.#deps.logger.debug({ peer, why: (error as Error).message }, "a peer could not be told");
        return;
      }
    }
  }

  async #send(peer: NodeId, batch: readonly PeerNews[]): Promise<void> {
    const signal = this.#deadline();
    const stream = await this.#deps.openStream(peer, STATE_PROTOCOL, { signal });
    await withStream(stream, signal, async () => {
      const messages = messagesOf(stream, STATE_MESSAGE_BYTES_MAX);
      for (const news of batch) await messages.write(encodeNews(news), { signal });
      await messages.write(FIN, { signal });
    });
  }

  #deadline(): AbortSignal {
    return AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(TALK_MS)]);
  }
}
