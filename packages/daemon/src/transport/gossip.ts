/** Announcements to everybody at once and from everybody: one signed topic per cluster. */
import type { GossipSub } from "@chainsafe/libp2p-gossipsub";
import { type Message, type PeerId, TopicValidatorResult } from "@libp2p/interface";
import type { NodeId } from "@swarmd/protocol";
import { decodeNews, encodeNews, GOSSIP_BYTES_MAX, newsTopic, type WireAnnouncement } from "@swarmd/protocol/wire";
import type { Logger } from "../observe/logger.js";
import { Coalescer } from "./coalescer.js";
import { toNodeId } from "./p2p-node.js";

export interface GossipOptions {
  /** Name of the cluster; not secret. */
  readonly cluster: string;
  /** While busy, announcements are gathered so long. */
  readonly gatherMs: number;
}

export interface GossipDeps {
  readonly pubsub: GossipSub;
  readonly self: NodeId;
  /** Peers with a connection, whether they listen to the topic yet or not. */
  readonly peers: () => readonly NodeId[];
  /** Tells one peer over a stream what the topic can't carry to it. */
  readonly tell: (peer: NodeId, records: readonly WireAnnouncement[]) => void;
  readonly heard: (peer: NodeId, record: WireAnnouncement) => void;
  readonly isBanned: (peer: NodeId) => boolean;
  readonly logger: Logger;
}

export const GATHER_MS = 100;

export class Gossip {
  readonly #topic: string;
  readonly #deps: GossipDeps;
  readonly #outbox: Coalescer<WireAnnouncement>;
  readonly #onMessage = ({ detail }: CustomEvent<Message>) => this.#take(detail);

  constructor({ cluster, gatherMs }: GossipOptions, deps: GossipDeps) {
    this.#topic = newsTopic(cluster);
    this.#deps = deps;
    this.#outbox = new Coalescer(gatherMs, (records) => this.#publish(records));
  }

  start(): void {
    const { pubsub } = this.#deps;
    pubsub.topicValidators.set(this.#topic, (from, message) => this.#validate(from, message));
    pubsub.addEventListener("message", this.#onMessage);
    pubsub.subscribe(this.#topic);
  }

  /** What waits to be published goes out now. */
  stop(): void {
    this.#outbox.flush();
    this.#deps.pubsub.removeEventListener("message", this.#onMessage);
  }

  /** Goes out at once if nothing went out lately, else with what else comes in the next moment. */
  announce(record: WireAnnouncement): void {
    this.#outbox.add(record);
  }

  #publish(gathered: readonly WireAnnouncement[]): void {
    const records = dropOutdated(gathered);
    const bytes = encodeNews({ records, bye: false });
    if (bytes.length > GOSSIP_BYTES_MAX) {
      for (const peer of this.#deps.peers()) this.#deps.tell(peer, records);
      return;
    }
    const listeners = new Set(this.#deps.pubsub.getSubscribers(this.#topic).map(toNodeId));
    // Who has just connected hears of the topic a moment later.
    for (const peer of this.#deps.peers()) if (!listeners.has(peer)) this.#deps.tell(peer, records);
    this.#deps.pubsub.publish(this.#topic, bytes).catch((error: Error) => {
      this.#deps.logger.debug({ why: error.message }, "an announcement was not published");
    });
  }

  /** Called before a message is passed on: garbage goes no further than here. */
  #validate(_from: PeerId, message: Message): TopicValidatorResult {
    if (message.type !== "signed" || this.#deps.isBanned(toNodeId(message.from))) return TopicValidatorResult.Reject;
    try {
      decodeNews(message.data, GOSSIP_BYTES_MAX);
      return TopicValidatorResult.Accept;
    } catch {
      return TopicValidatorResult.Reject;
    }
  }

  #take(message: Message): void {
    if (message.topic !== this.#topic || message.type !== "signed") return;
    const peer = toNodeId(message.from);
    if (peer === this.#deps.self) return;
    for (const record of decodeNews(message.data, GOSSIP_BYTES_MAX).records) this.#deps.heard(peer, record);
  }
}

/** What was said before a full record is in it. */
function dropOutdated(records: readonly WireAnnouncement[]): readonly WireAnnouncement[] {
  const lastFull = records.findLastIndex(({ isFull }) => isFull);
  return lastFull <= 0 ? records : records.slice(lastFull);
}
