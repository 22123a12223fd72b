/**
 * Who lied, when a whole file is not what it should be though every shard matches what was noted of it.
 *
 * With the origin, shards are fetched again one by one and compared: those first that rest on the weakest word, and of each signer one in
 * turn, so that a liar is found by as few bytes as possible. Without it nobody can tell: what rests on the weakest word goes.
 */
import { type BlobId, type NodeId, shardEnd, shardStart, toSwarmError } from "@swarmd/protocol";
import type { AttestationBasis } from "@swarmd/protocol/wire";
import type { ShardHasher } from "../shard-hasher.js";
import type { Ground } from "../types.js";
import { isSame } from "./weigh.js";

/** A shard that may be wrong. */
export interface Suspect {
  readonly shard: number;
  readonly hash: Uint8Array;
  readonly ground: Ground | undefined;
}

export interface InquestFile {
  readonly blob: BlobId;
  readonly sizeBytes: number;
  readonly shardBytes: number;
  readonly suspects: readonly Suspect[];
}

export interface Finding {
  /** Worthless. */
  readonly shards: readonly number[];
  /** Vouched for what the origin does not have: proven. */
  readonly culprits: readonly NodeId[];
  /** Nobody could be asked; what rests on their word goes, and they are not believed again for this blob. */
  readonly doubted: readonly NodeId[];
  /** Found to be what the origin has. */
  readonly cleared: readonly Suspect[];
}

/** Where the truth is. The transfer room's port of the same name. */
export interface RangeSource {
  read(
    blob: BlobId,
    startBytes: number,
    endBytes: number,
    sink: { write(chunk: Uint8Array): undefined },
    options: { readonly signal: AbortSignal },
  ): Promise<void>;
}

export interface InquestDeps {
  readonly origin: RangeSource;
  readonly newHasher: () => ShardHasher;
  /** This node: its own word is the last to be doubted. */
  readonly self: () => NodeId | undefined;
  /** So many bytes were fetched only to compare with them. */
  readonly onCompared: (blob: BlobId, bytes: number) => void;
}

interface Group {
  readonly signer: NodeId | undefined;
  readonly rank: number;
  readonly suspects: Suspect[];
}

/** The weakest word first. */
const BASIS_RANK: Record<AttestationBasis, number> = { held: 0, origin: 1, verified: 2, proven: 2 };
const UNKNOWN_RANK = 3;
const PROOF_RANK = 4;
const OWN_RANK = 5;

/** @throws SwarmError INTERRUPTED on abort */
export async function inquire(
  file: InquestFile,
  deps: InquestDeps,
  { signal }: { readonly signal: AbortSignal },
): Promise<Finding> {
  const groups = groupSuspects(file.suspects, deps.self());
  const cleared: Suspect[] = [];
  try {
    for (const { suspect, group } of inTurns(groups)) {
      const hash = await hashAtOrigin(file, suspect.shard, deps, signal);
      if (isSame(hash, suspect.hash)) cleared.push(suspect);
      else return found(group, cleared);
    }
    // The origin has what we have, shard by shard, and yet another whole: it is the origin that is wrong, or was a moment ago.
    return { shards: file.suspects.map(({ shard }) => shard), culprits: [], doubted: [], cleared: [] };
  } catch (error) {
    if (signal.aborted) throw toSwarmError(error, "INTERRUPTED");
    return doubt(file, groups, cleared);
  }
}

/** By signer, the weakest word first; pure. */
export function groupSuspects(suspects: readonly Suspect[], self: NodeId | undefined): readonly Group[] {
  const groups = new Map<string, Group>();
  for (const suspect of suspects) {
    const { signer, rank } = standingOf(suspect.ground, self);
    const key = `${rank} ${signer ?? ""}`;
    const group = groups.get(key) ?? { signer, rank, suspects: [] };
    groups.set(key, group);
    group.suspects.push(suspect);
  }
  return [...groups.values()].sort((a, b) => a.rank - b.rank || a.suspects.length - b.suspects.length);
}

function standingOf(ground: Ground | undefined, self: NodeId | undefined): Pick<Group, "signer" | "rank"> {
  if (ground === undefined) return { signer: undefined, rank: UNKNOWN_RANK };
  if (ground.kind === "proof") return { signer: undefined, rank: PROOF_RANK };
  if (ground.kind !== "attestation" || ground.signer === self) return { signer: undefined, rank: OWN_RANK };
  return { signer: ground.signer, rank: BASIS_RANK[ground.basis] };
}

/** One of each group of others, then the next of each; our own come last. */
function* inTurns(groups: readonly Group[]): Generator<{ readonly suspect: Suspect; readonly group: Group }> {
  for (const isOwn of [false, true]) {
    const part = groups.filter(({ rank }) => (rank === OWN_RANK) === isOwn);
    const longest = Math.max(0, ...part.map(({ suspects }) => suspects.length));
    for (let turn = 0; turn < longest; turn += 1) {
      for (const group of part) {
        const suspect = group.suspects[turn];
        if (suspect !== undefined) yield { suspect, group };
      }
    }
  }
}

/** Everything else that rests on the same word goes with it, but for what the origin has borne out. */
function found({ signer, suspects }: Group, cleared: readonly Suspect[]): Finding {
  const good = new Set(cleared.map(({ shard }) => shard));
  const shards = suspects.map(({ shard }) => shard).filter((shard) => !good.has(shard));
  return { shards, culprits: signer === undefined ? [] : [signer], doubted: [], cleared };
}

function doubt({ suspects }: InquestFile, groups: readonly Group[], cleared: readonly Suspect[]): Finding {
  const good = new Set(cleared.map(({ shard }) => shard));
  const weakest = groups.find((group) => group.suspects.some(({ shard }) => !good.has(shard)));
  const isOwn = weakest === undefined || weakest.rank === OWN_RANK;
  const going = isOwn ? suspects : weakest.suspects.filter(({ shard }) => !good.has(shard));
  const doubted = isOwn || weakest.signer === undefined ? [] : [weakest.signer];
  return { shards: going.map(({ shard }) => shard), culprits: [], doubted, cleared: isOwn ? [] : cleared };
}

async function hashAtOrigin(
  { blob, sizeBytes, shardBytes }: InquestFile,
  shard: number,
  { origin, newHasher, onCompared }: InquestDeps,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const hasher = newHasher();
  const sink = {
    write: (chunk: Uint8Array) => {
      hasher.update(chunk);
      onCompared(blob, chunk.length);
      return undefined;
    },
  };
  await origin.read(blob, shardStart(shard, shardBytes), shardEnd(shard, sizeBytes, shardBytes), sink, { signal });
  return hasher.digest();
}
