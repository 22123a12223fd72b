/**
 * What the keeper room needs of others.
 *
 * *purpose:* keeps the cache within its bounds without anybody thinking of it: asks the policy what goes, asks the neighbours whether
 * it may, and has the store carry it out. *in:* pulls that begin, uses, pins, leases, time. *out:* evictions, decisions in log and event
 * log. *never:* removes a file itself, or anything that is in use, pinned or not ours.
 */
import type { BlobId, CommitId, NodeId, RepoRef } from "@swarmd/protocol";
import type { CacheBounds } from "../core/policy/eviction/cache-state.js";
import type { PolicyName } from "../core/policy/eviction/policies.js";
import type { EventLog } from "../observe/events.js";
import type { UseClock } from "./use-clock.js";

interface Cancellable {
  readonly signal: AbortSignal;
}

/** One file of a snapshot, as the disk has it. */
export interface KeptFile {
  readonly path: string;
  readonly blob: BlobId | undefined;
  /** `undefined`: its link leads nowhere. */
  readonly contentPath: string | undefined;
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  readonly atimeMs: number;
  /** Names the content, whoever leads to it. */
  readonly inode: string;
}

export interface KeptRevision {
  readonly commit: CommitId;
  readonly refs: readonly string[];
  readonly files: readonly KeptFile[];
  readonly mtimeMs: number;
}

export interface KeptRepo {
  readonly repo: RepoRef;
  readonly revisions: readonly KeptRevision[];
  /** Blobs that no revision uses. */
  readonly orphans: readonly {
    readonly blob: BlobId;
    readonly path: string;
    readonly sizeBytes: number;
    readonly mtimeMs: number;
    readonly inode: string;
    /** Where there are no links: most likely the blob behind a plain file of the same size. */
    readonly isTwin: boolean;
  }[];
}

/** The cache on the disk. */
export interface KeeperStore {
  /** `isFresh`: with the access times of now; else repos are looked at again where something came or went. @throws SwarmError INTERRUPTED, STORE_FAULT */
  repos(options: Cancellable & { readonly isFresh?: boolean }): Promise<readonly KeptRepo[]>;
  /** Something in this repo changes: it is looked at again. */
  touch(repo: RepoRef): void;
  disk(): Promise<{ readonly freeBytes: number; readonly totalBytes: number }>;
  /** Of the free ones, those that are never promised to a pull. */
  readonly marginBytes: number;
  /** Whether somebody reads or writes the blob through this node. */
  isInUse(blob: BlobId): boolean;
  isStartupFile(file: { readonly path: string; readonly sizeBytes: number }): boolean;
  /** When any of its files was last read, by the wall clock, as far as the mount keeps that; asked of the disk anew. */
  lastReadMs(repo: RepoRef, commit: CommitId, options: Cancellable): Promise<number>;
  /** @returns bytes freed. @throws SwarmError STORE_FAULT, REVISION_NOT_FOUND, INTERRUPTED */
  evict(
    order: {
      readonly repo: RepoRef;
      readonly commit: CommitId;
      readonly keepStartup: boolean;
      readonly isStillDue: () => boolean;
    },
    options: Cancellable,
  ): Promise<number>;
  /** @throws SwarmError STORE_FAULT */
  evictOrphan(repo: RepoRef, orphan: KeptRepo["orphans"][number], options: Cancellable): Promise<number>;
}

/** What is remembered between runs. */
export interface KeeperBook {
  isOwn(path: string): boolean;
  /** Forgets what others have removed. `seen`: the paths that are there. */
  forgetGone(seen: Iterable<string>): Promise<void>;
  noteUse(repo: RepoRef, commit: CommitId, atMs: number): void;
  lastUseMs(repo: RepoRef, commit: CommitId): number | undefined;
  /** How big the cache was when last looked at, by an earlier run maybe. */
  readonly extent: { readonly bytes: number; readonly models: number } | undefined;
  noteExtent(extent: { readonly bytes: number; readonly models: number }): void;
}

export interface PinRecord {
  /** `org/model`, with its type where it is no model. */
  readonly repo: string;
  /** A branch, tag or commit; all revisions when left out. */
  readonly revision?: string;
  /** On the LAN, this node's included. */
  readonly copies: number;
}

export interface PinBook {
  readonly pins: readonly PinRecord[];
}

export interface PlaceOrder {
  readonly repo: RepoRef;
  readonly commit: CommitId;
  readonly sizeBytes: number;
  readonly leaseMs: number;
  /** Only to know. */
  readonly isJustAsking: boolean;
}

export interface Placed {
  readonly answer: "here" | "coming" | "full" | "no";
  /** What the peer takes without evicting anything. */
  readonly roomBytes: number;
}

/** The other nodes. A node that goes without has none. */
export interface Neighbours {
  readonly self: NodeId;
  /** Those that can be reached now. */
  readonly peers: readonly NodeId[];
  /** Those that hold all of it, as far as they said. */
  holders(blob: BlobId): readonly NodeId[];
  /** Asks a holder to keep these. @returns those that it promised. @throws SwarmError PEER_* when it does not say */
  askToKeep(peer: NodeId, blobs: readonly BlobId[], options: Cancellable): Promise<readonly BlobId[]>;
  /** Asks a peer to hold a copy for a while. @throws SwarmError PEER_* when it does not say */
  askToPlace(peer: NodeId, request: PlaceOrder, options: Cancellable): Promise<Placed>;
}

/** A line for people and programs. */
export interface KeeperLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface KeeperOptions {
  readonly policy: PolicyName;
  /** As asked for; without any, a tenth of the disk stays free. */
  readonly bounds: CacheBounds;
  /** What other tools put into the cache may go too. */
  readonly adoptEvict: boolean;
  readonly keepStartup: boolean;
  /** How often the bounds are looked at when nobody pulls. */
  readonly upkeepMs?: number;
}

export interface KeeperDeps {
  readonly store: KeeperStore;
  readonly book: KeeperBook;
  readonly pins: PinBook;
  /** What this node's owner published, as `org/name@commit`: no origin has it, so nothing here may end it but his own word. */
  readonly published: () => Promise<ReadonlySet<string>>;
  /** Absent on a node that goes without peers, and before it has met any. */
  readonly neighbours: () => Neighbours | undefined;
  /** Whether peers may have a blob: what is private, or known to nobody else, is handed to nobody. */
  readonly mayTellOf: (blob: BlobId) => boolean;
  readonly clock: UseClock;
  readonly wallMs: () => number;
  readonly events: EventLog;
  readonly logger: KeeperLog;
}
