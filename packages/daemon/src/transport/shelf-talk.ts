/** What nodes say of the repos they have: in full over a stream when two meet, what is new by gossip; and file lists of published repos, on demand. */
import type { GossipSub } from "@chainsafe/libp2p-gossipsub";
import { type Message, type PeerId, type Stream, TopicValidatorResult } from "@libp2p/interface";
import { type NodeId, SwarmError } from "@swarmd/protocol";
import {
  decodeShelfNews,
  encodeShelfNews,
  FILE_LIST_PROTOCOL,
  LIST_BYTES_MAX,
  SHELF_BYTES_MAX,
  SHELF_PROTOCOL,
  type ShelfNews,
  shelfTopic,
} from "@swarmd/protocol/wire";
import type { Logger } from "../observe/logger.js";
import { messagesOf, readMessage, toPeerError, withStream } from "./bounded.js";
import { toNodeId } from "./p2p-node.js";

/** What the rest of the node has to say, and what it does with what others say. */
export interface ShelfDesk {
  heard(peer: NodeId, news: ShelfNews): void;
  /** The file list with this SHA-256, in hex; `undefined` when there is none here. */
  findList(sha256: string): Promise<Uint8Array | undefined>;
}

export interface ShelfTalkOptions {
  /** Name of the cluster; not secret. */
  readonly cluster: string;
}

export interface ShelfTalkDeps {
  readonly openStream: (peer: NodeId, protocol: string, options: { signal: AbortSignal }) => Promise<Stream>;
  readonly desk: ShelfDesk;
  readonly isBanned: (peer: NodeId) => boolean;
  readonly logger: Logger;
}

/** One stream, from its opening to its end. */
const TALK_MS = 10_000;
/** A list of many megabytes, over a slow link. */
const LIST_MS = 30_000;
const QUESTION_MS = 5_000;
const QUESTION_BYTES = 32;
/** A full list of what a node may say at all. */
const NEWS_MAX = 32;
/** Lists are built from disk, so a peer that asks for many at once waits for most of them. */
const LISTS_AT_ONCE = 2;
const FIN = new Uint8Array(0);

export class ShelfTalk {
  readonly #topic: string;
  readonly #deps: ShelfTalkDeps;
  readonly #stopped = new AbortController();
  readonly #serving = new Map<NodeId, number>();
  #pubsub: GossipSub | undefined;
  #self: NodeId | undefined;
  readonly #onMessage = ({ detail }: CustomEvent<Message>) => this.#take(detail);

  constructor({ cluster }: ShelfTalkOptions, deps: ShelfTalkDeps) {
    this.#topic = shelfTopic(cluster);
    this.#deps = deps;
  }

  /** Streams that peers open, by protocol. */
  get handlers(): Readonly<Record<string, (peer: NodeId, stream: Stream) => Promise<void>>> {
    return {
      [SHELF_PROTOCOL]: (peer, stream) => this.#hear(peer, stream),
      [FILE_LIST_PROTOCOL]: (peer, stream) => this.#serveList(peer, stream),
    };
  }

  start(pubsub: GossipSub, self: NodeId): void {
    this.#pubsub = pubsub;
    this.#self = self;
    pubsub.topicValidators.set(this.#topic, (_from, message) => this.#validate(_from, message));
    pubsub.addEventListener("message", this.#onMessage);
    pubsub.subscribe(this.#topic);
  }

  stop(): void {
    this.#stopped.abort();
    this.#pubsub?.removeEventListener("message", this.#onMessage);
  }

  /** To everybody who listens. What is lost is told again by and by. */
  announce(news: ShelfNews): void {
    if (this.#stopped.signal.aborted) return;
    this.#pubsub?.publish(this.#topic, encodeShelfNews(news)).catch((error: Error) => {
      this.#deps.logger.debug({ why: error.message }, "shelf news were not published");
    });
  }

  /** To one peer, over a stream; never throws. */
  async tell(peer: NodeId, all: readonly ShelfNews[]): Promise<void> {
    const signal = AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(TALK_MS)]);
    try {
      const stream = await this.#deps.openStream(peer, SHELF_PROTOCOL, { signal });
      await withStream(stream, signal, async () => {
        const messages = messagesOf(stream, SHELF_BYTES_MAX);
        for (const news of all.slice(0, NEWS_MAX)) await messages.write(encodeShelfNews(news), { signal });
        await messages.write(FIN, { signal });
      });
    } catch (error) {
      this.#deps.logger.debug({ peer, why: (error as Error).message }, "a peer could not be told of the shelf");
    }
  }

  /**
   * Asks a peer for a file list by its SHA-256. Whether it is that list is for the asker to check.
   *
   * @throws SwarmError PEER_LACKS, PEER_UNREACHABLE, PEER_STALLED, PEER_FAULT, INTERRUPTED
   */
  async askList(
    peer: NodeId,
    { sha256, bytes }: { readonly sha256: string; readonly bytes: number },
    { signal: outer }: { readonly signal: AbortSignal },
  ): Promise<Uint8Array> {
    const signal = AbortSignal.any([outer, this.#stopped.signal, AbortSignal.timeout(LIST_MS)]);
    try {
      const stream = await this.#deps.openStream(peer, FILE_LIST_PROTOCOL, { signal });
      return await withStream(stream, signal, async () => {
        const messages = messagesOf(stream, Math.min(bytes, LIST_BYTES_MAX));
        await messages.write(Buffer.from(sha256, "hex"), { signal });
        const list = await readMessage(messages, signal);
        if (list.length === bytes) return list;
        throw new SwarmError("PEER_LACKS", `${peer} does not have that file list`);
      });
    } catch (error) {
      throw toPeerError(error, `asking ${peer} for a file list`, signal, outer);
    }
  }

  async #hear(peer: NodeId, stream: Stream): Promise<void> {
    const signal = AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(TALK_MS)]);
    await withStream(stream, signal, async () => {
      const messages = messagesOf(stream, SHELF_BYTES_MAX);
      for (let count = 0; ; count += 1) {
        const bytes = await readMessage(messages, signal);
        if (bytes.length === 0) return;
        if (count === NEWS_MAX) throw new SwarmError("PEER_FAULT", `${peer} has too much to say at once`);
        this.#deps.desk.heard(peer, decodeShelfNews(bytes));
      }
    });
  }

  async #serveList(peer: NodeId, stream: Stream): Promise<void> {
    const signal = AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(LIST_MS)]);
    const serving = this.#serving.get(peer) ?? 0;
    this.#serving.set(peer, serving + 1);
    try {
      await withStream(stream, signal, async () => {
        if (serving >= LISTS_AT_ONCE) throw new SwarmError("PEER_FAULT", `${peer} asks for many lists at once`);
        const messages = messagesOf(stream, QUESTION_BYTES);
        const asked = await readMessage(messages, AbortSignal.any([signal, AbortSignal.timeout(QUESTION_MS)]));
        if (asked.length !== QUESTION_BYTES)
          throw new SwarmError("PEER_FAULT", `${peer} asks for nothing that is a list`);
        const list = await this.#deps.desk.findList(Buffer.from(asked).toString("hex"));
        await messages.write(list ?? FIN, { signal });
      });
    } finally {
      const left = (this.#serving.get(peer) ?? 1) - 1;
      if (left === 0) this.#serving.delete(peer);
      else this.#serving.set(peer, left);
    }
  }

  /** Called before a message is passed on: garbage goes no further than here. */
  #validate(_from: PeerId, message: Message): TopicValidatorResult {
    if (message.type !== "signed" || this.#deps.isBanned(toNodeId(message.from))) return TopicValidatorResult.Reject;
    try {
      decodeShelfNews(message.data);
      return TopicValidatorResult.Accept;
    } catch {
      return TopicValidatorResult.Reject;
    }
  }

  #take(message: Message): void {
    if (message.topic !== this.#topic || message.type !== "signed") return;
    const peer = toNodeId(message.from);
    if (peer !== this.#self) this.#deps.desk.heard(peer, decodeShelfNews(message.data));
  }
}
