/** What a scenario is: data, from which a world is built. All dice are thrown by the seed. */
import type { LinkClass } from "@swarmd/daemon/core/catalog/announcement";
import type { Dice } from "./dice.js";

export const MIB = 1024 * 1024;
/** Bytes per second. */
export const MBIT = 125_000;

export interface NodePlan {
  readonly upBytesPerS: number;
  readonly downBytesPerS: number;
  readonly linkClass: LinkClass;
  /** When its daemon starts. */
  readonly upMs: number;
  /** When it wants everything; seeds and liars want nothing. */
  readonly startMs: number;
  readonly isSeed?: boolean;
  /** Claims to hold everything; sends wrong bytes. */
  readonly isLiar?: boolean;
  /** Pulls like all others, but passes on wrong bytes of what it took from the origin, under its own attestation. */
  readonly isFalseWitness?: boolean;
  /** Its clock against true time: an offset and a rate. */
  readonly clock?: { readonly offsetMs: number; readonly rate: number };
}

export type Happening =
  /** The process is gone; its connections break at once. */
  | { readonly atMs: number; readonly kind: "crash"; readonly node: number }
  /** It hangs: connections stay open, nothing moves. */
  | { readonly atMs: number; readonly kind: "stall"; readonly node: number }
  /** Its links get slower. */
  | { readonly atMs: number; readonly kind: "slow"; readonly node: number; readonly factor: number }
  /** Its processor is taken away for a while: nothing of it moves, and what comes meanwhile is dealt with afterwards. */
  | { readonly atMs: number; readonly kind: "pause"; readonly node: number; readonly forMs: number }
  /** Nodes below `first` and the others no longer reach each other. */
  | { readonly atMs: number; readonly kind: "partition"; readonly first: number }
  | { readonly atMs: number; readonly kind: "heal" };

export interface Plan {
  readonly files: readonly number[];
  readonly shardBytes: number;
  readonly nodes: readonly NodePlan[];
  readonly origin: {
    readonly bytesPerS: number;
    readonly perConnectionBytesPerS: number;
    readonly latencyMs: number;
  } | null;
  /** One way, between two nodes. */
  readonly latencyMs: number;
  readonly gossip: { readonly lowMs: number; readonly highMs: number; readonly loss: number };
  readonly happenings: readonly Happening[];
  /** Length of a step of the fluid. */
  readonly stepMs: number;
  /** Theoretical bound of each node's time, from its own start. */
  boundMs(node: NodePlan): number;
}

export interface Scenario {
  readonly name: string;
  /** One sentence. */
  readonly about: string;
  /** Sizes to run it with for the table. */
  readonly sizes: readonly number[];
  plan(nodes: number, dice: Dice): Plan;
  /** What is to be reached, per size; read by the table and by tests. */
  readonly targets: readonly Target[];
}

/** Names of a run's figures; all are ratios. */
export type Figure =
  | "egress"
  | "time"
  | "fastTime"
  | "ended"
  | "gossip"
  | "banned"
  | "caught"
  | "wronged"
  | "right"
  | "wasted"
  | "restless";

export interface Target {
  readonly figure: Figure;
  /** Of the median over the seeds, and of the worst; undefined where only the other counts. */
  readonly median?: number;
  readonly worst?: number;
  /** Holds for sizes up to that. */
  readonly upTo?: number;
  readonly from?: number;
  /** Reach at least, not at most. */
  readonly isLeast?: boolean;
}
