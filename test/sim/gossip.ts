/** Announcements on their way: to everybody within moments, to one peer over a stream; some get lost. */
import { type Announcement, announcementBytes } from "@swarmd/daemon/core/catalog/announcement";
import type { BlobSpec, Input } from "@swarmd/daemon/core/messages";
import { ShardSet } from "@swarmd/daemon/core/shard-set";
import type { NodeId } from "@swarmd/protocol";
import type { Ground } from "./ground.js";
import type { SimNode } from "./sim-node.js";

/** Announcements of one node reach the others in so many waves. */
const WAVES = 4;

export class Gossip {
  readonly #ground: Ground;
  readonly #blobs: readonly BlobSpec[];

  constructor(ground: Ground, blobs: readonly BlobSpec[]) {
    this.#ground = ground;
    this.#blobs = blobs;
  }

  announce(node: SimNode, record: Announcement): void {
    const { plan, dice, nodes } = this.#ground;
    const { lowMs, highMs, loss } = plan.gossip;
    const bytes = announcementBytes(record);
    const waves: SimNode[][] = Array.from({ length: WAVES }, () => []);
    for (const other of nodes) {
      if (other === node || !this.#ground.isReachable(node, other)) continue;
      other.gossipBytes += bytes;
      if (loss > 0 && dice.next() < loss) continue;
      waves[Math.floor(dice.next() * WAVES)]?.push(other);
    }
    const input = heard(node.id, copyOf(record));
    for (const wave of waves) {
      if (wave.length === 0) continue;
      this.#ground.after(dice.between(lowMs, highMs), () => {
        for (const other of wave) this.#ground.send(other, input);
      });
    }
  }

  tell(node: SimNode, peer: NodeId, record: Announcement): void {
    const other = this.#ground.get(peer);
    other.gossipBytes += announcementBytes(record);
    const input = heard(node.id, copyOf(record));
    this.#ground.after(this.#ground.plan.latencyMs, () => this.#ground.send(other, input));
  }

  /** Two nodes come to know each other; to be called for both directions. */
  introduce(node: SimNode, other: SimNode): void {
    if (!this.#ground.isReachable(node, other)) return;
    const links = [{ link: "lan", class: other.plan.linkClass }];
    this.#ground.send(node, { type: "peer-up", peer: other.id, links });
    if (other.plan.isLiar === true) this.#ground.send(node, heard(other.id, this.#lieOf(other)));
  }

  /** The liar's engine is not asked: its node says and serves what it likes. */
  lie(node: SimNode): void {
    for (const other of this.#ground.nodes) {
      if (other !== node && other.isUp) this.#ground.send(other, heard(node.id, this.#lieOf(node)));
    }
  }

  #lieOf(node: SimNode): Announcement {
    return {
      epoch: 1,
      sequence: 1,
      ttlMs: 3_600_000,
      isFull: true,
      capacityBytesPerS: node.plan.upBytesPerS,
      freeSlots: 24,
      blobs: this.#blobs.map(({ id, sizeBytes }) => ({
        blob: id,
        sizeBytes,
        wants: false,
        mayFetch: false,
        holds: { kind: "all" },
        rooted: [],
      })),
    };
  }
}

function heard(peer: NodeId, record: Announcement): Input {
  return { type: "heard", peer, record };
}

/** What arrives is what was sent at that moment, whatever the sender does to its books meanwhile. */
function copyOf(record: Announcement): Announcement {
  const blobs = record.blobs.map((news) =>
    news.holds.kind === "exactly" && news.holds.shards instanceof ShardSet
      ? { ...news, holds: { kind: "exactly" as const, shards: news.holds.shards.clone() } }
      : news,
  );
  return { ...record, blobs };
}
