/** What crosses the local API about the cluster of a node. Times in ms, or ISO 8601 where it says so. */

/** Who inside a cluster gets files of private and gated repos. */
export type ShareGatedRule = "owners" | "members";

export interface ClusterMember {
  readonly id: string;
  /** The machine's name. */
  readonly name: string;
  readonly addresses: readonly string[];
  readonly isSelf: boolean;
  readonly isConnected: boolean;
  /** ISO 8601. */
  readonly lastSeen: string;
}

export interface ClusterStatus {
  readonly mode: "open" | "cluster";
  readonly name?: string;
  readonly shareGated?: ShareGatedRule;
  /** Rises with every new key. */
  readonly generation?: number;
  /** This node's id. */
  readonly self: string;
  /** This node first; empty in open mode. */
  readonly members: readonly ClusterMember[];
  /** While a code is good. The code itself is shown once, to who made it. */
  readonly invitation?: { readonly expiresInMs: number; readonly triesLeft: number; readonly port: number };
}

export interface ClusterInvitation {
  readonly code: string;
  readonly expiresInMs: number;
  /** Wrong guesses that void the code. */
  readonly tries: number;
  readonly port: number;
  /** HOST:PORT for `--at`, where multicast does not reach. */
  readonly at: readonly string[];
}

export interface ClusterCreateRequest {
  readonly name?: string;
  readonly shareGated?: ShareGatedRule;
  /** Text of a libp2p swarm key, to use instead of a new one. */
  readonly swarmKey?: string;
  /** For the pairing; default 7483. */
  readonly port?: number;
}

/** `invited` is missing where the node goes without peers. */
export interface ClusterCreated extends ClusterStatus {
  readonly invited?: ClusterInvitation;
}

export interface ClusterInviteRequest {
  readonly port?: number;
}

export interface ClusterJoinRequest {
  readonly code: string;
  /** HOST or HOST:PORT of the node that made the code; found by multicast without it. */
  readonly at?: string;
}

export interface ClusterLeft {
  readonly name: string;
}

export interface ClusterRotateRequest {
  /** Id, start of an id, or machine name of the member that is to be out. */
  readonly remove?: string;
}

export interface ClusterRotated {
  readonly generation: number;
  readonly removed?: string;
  /** Ids of those that have the new key. */
  readonly members: readonly string[];
  /** They were not there. */
  readonly mustJoinAgain: readonly { readonly id: string; readonly name: string }[];
}

export interface ClusterKeyShown {
  readonly swarmKey: string;
}
