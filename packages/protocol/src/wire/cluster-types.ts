/** What members of a cluster tell each other, and what is said while a node becomes one. */
import type { ErrorCode } from "../errors.js";
import type { CommitId, NodeId, RepoRef, Revision } from "../ids.js";
import type { RepoFile } from "../manifest.js";

/** Who inside a cluster gets files of private and gated repos: nodes whose own token opens them, or every member. */
export const SHARE_GATED = ["owners", "members"] as const;
export type ShareGated = (typeof SHARE_GATED)[number];

/** A member, as members name each other. */
export interface WireMember {
  readonly id: NodeId;
  /** The machine's name, for people. */
  readonly name: string;
  /** Where its libp2p listens: multiaddrs of IP and TCP. */
  readonly addresses: readonly string[];
  /** How long ago the sender last had a connection to it; 0 for the sender itself. */
  readonly silentMs: number;
}

/** All that makes a node a member. Secret. */
export interface Grant {
  /** The text of a libp2p swarm key. */
  readonly swarmKey: string;
  readonly name: string;
  readonly shareGated: ShareGated;
  /** Rises with every new key. */
  readonly generation: number;
  /** Stays the same through all keys. */
  readonly clusterId: string;
  readonly members: readonly WireMember[];
}

export type MemberRequest =
  /** "This is me, and these I know": answered by the same. The first is the sender. */
  | { readonly type: "introduce"; readonly members: readonly WireMember[] }
  /** A new key; from now on only who has it belongs to the cluster. */
  | { readonly type: "rotate"; readonly grant: Grant }
  | { readonly type: "leave" }
  | { readonly type: "resolve"; readonly repo: RepoRef; readonly revision: Revision }
  | { readonly type: "list-files"; readonly repo: RepoRef; readonly commit: CommitId; readonly from: number };

export type MemberResponse =
  | { readonly type: "introduce"; readonly members: readonly WireMember[] }
  | { readonly type: "done" }
  | { readonly type: "resolved"; readonly commit: CommitId; readonly isPrivate: boolean; readonly ageMs: number }
  | { readonly type: "files"; readonly total: number; readonly files: readonly RepoFile[] }
  | { readonly type: "refusal"; readonly code: ErrorCode; readonly message: string };

/** One frame of the pairing conversation. `login` is the key exchange's own; `sealed` is readable only with the key it gives. */
export type PairFrame =
  | {
      readonly type: "hello";
      readonly version: number;
      readonly tag: string;
      readonly nodeId: NodeId;
      readonly login: Uint8Array;
    }
  | { readonly type: "challenge"; readonly nodeId: NodeId; readonly login: Uint8Array; readonly triesLeft: number }
  | { readonly type: "proof"; readonly login: Uint8Array; readonly sealed: Uint8Array }
  | { readonly type: "grant"; readonly sealed: Uint8Array }
  | { readonly type: "refusal"; readonly code: ErrorCode; readonly message: string };
