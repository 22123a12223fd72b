/** What befalls nodes and their network midway: crashes, hangs, slow links, starved processors, a LAN that falls in two and heals. */
import type { Gossip } from "./gossip.js";
import type { Ground } from "./ground.js";
import type { Happening } from "./scenario.js";
import type { SimNode } from "./sim-node.js";
import type { Transfers } from "./transfers.js";

/** Connections of a crashed process break after so long. */
const RESET_MS = 200;
/** Peers that can't be reached are noticed after so long. */
const UNREACHABLE_MS = 3_000;

export class Happenings {
  /** Nodes below this index and the others don't reach each other. */
  partition: number | undefined;
  readonly #ground: Ground;
  readonly #transfers: Transfers;
  readonly #gossip: Gossip;

  constructor(ground: Ground, parts: { readonly transfers: Transfers; readonly gossip: Gossip }) {
    this.#ground = ground;
    this.#transfers = parts.transfers;
    this.#gossip = parts.gossip;
  }

  happen(happening: Happening): void {
    if (happening.kind === "partition") this.#split(happening.first);
    else if (happening.kind === "heal") this.#heal();
    else {
      const node = this.#ground.nodes[happening.node] as SimNode;
      if (happening.kind === "crash") this.#crash(node);
      else if (happening.kind === "stall") this.#hang(node);
      else if (happening.kind === "pause") this.#pause(node, happening.forMs);
      else this.#transfers.slowDown(node, happening.factor);
    }
  }

  #crash(node: SimNode): void {
    node.isUp = false;
    this.#transfers.drop(node);
    for (const other of this.#ground.nodes) {
      if (other === node) continue;
      this.#ground.after(RESET_MS, () => this.#ground.send(other, { type: "peer-down", peer: node.id }));
    }
  }

  #hang(node: SimNode): void {
    node.isHung = true;
    this.#transfers.slowDown(node, 0);
  }

  #pause(node: SimNode, forMs: number): void {
    node.pausedUntilMs = Math.max(node.pausedUntilMs, this.#ground.nowMs + forMs);
  }

  #split(first: number): void {
    this.partition = first;
    this.#transfers.cut(first, UNREACHABLE_MS);
    for (const node of this.#ground.nodes) {
      for (const other of this.#ground.nodes) {
        if (node.index < first === other.index < first) continue;
        this.#ground.after(UNREACHABLE_MS, () => this.#ground.send(node, { type: "peer-down", peer: other.id }));
      }
    }
  }

  #heal(): void {
    const first = this.partition ?? 0;
    this.partition = undefined;
    for (const node of this.#ground.nodes) {
      for (const other of this.#ground.nodes) {
        if (node.index < first !== other.index < first && node.isUp && other.isUp) this.#gossip.introduce(node, other);
      }
    }
  }
}
