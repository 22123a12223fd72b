/** Who has a model: what nodes say by name, what they announce of its blobs, what this cache holds, and what programs registered. */
import {
  type BlobId,
  type CommitId,
  formatRepo,
  isCommitId,
  type NodeId,
  parseRepoSpec,
  type RepoFile,
  type RepoRef,
  type Revision,
} from "@swarmd/protocol";
import type { LocatedNode, ModelLocation } from "@swarmd/protocol/api";
import type { ShelfEntry } from "@swarmd/protocol/wire";
import type { Whereabouts } from "./whereabouts.js";

export interface LocateDeps {
  readonly whereabouts: Pick<Whereabouts, "holders" | "registered">;
  /** This node's own, without the peers' knowledge if it may not speak of it. */
  readonly self: NodeId | undefined;
  readonly own: (repo: RepoRef) => Promise<readonly ShelfEntry[]>;
  /** What a branch or tag was when it was last looked at; `undefined` when nobody here knows. */
  readonly readRef: (repo: RepoRef, revision: Revision) => Promise<CommitId | undefined>;
  readonly readTree: (repo: RepoRef, commit: CommitId) => Promise<readonly RepoFile[] | undefined>;
  /** Bytes of a blob that each peer announces. */
  readonly heldBytes: (blob: BlobId) => ReadonlyMap<NodeId, number>;
  readonly wallMs: () => number;
}

interface Question {
  readonly repo: RepoRef;
  readonly revision: Revision | undefined;
  /** Of the revision, where anybody here knows it. */
  readonly commit: CommitId | undefined;
}

/** @throws SwarmError USAGE when the target is no repo */
export async function locateModel(target: string, deps: LocateDeps): Promise<ModelLocation> {
  const { repo, revision } = parseRepoSpec(target);
  const commit = await commitOf(repo, revision, deps);
  const question = { repo, revision, commit };
  const rows = [...(await rowsOfSelf(question, deps)), ...rowsByName(question, deps)];
  const known = new Set(rows.map(({ node, commit }) => `${node} ${commit}`));
  const partial = (await rowsByBlobs(question, deps)).filter(({ node, commit }) => !known.has(`${node} ${commit}`));
  const nodes = [...rows, ...partial, ...rowsRegistered(question, deps)].sort(
    (a, b) => Number(b.isUp) - Number(a.isUp) || RANK[a.has] - RANK[b.has] || (a.node < b.node ? -1 : 1),
  );
  return { model: formatRepo(repo) + (revision === undefined ? "" : `@${revision}`), nodes };
}

const RANK = { whole: 0, part: 1, said: 2 } as const;

async function commitOf(
  repo: RepoRef,
  revision: Revision | undefined,
  deps: LocateDeps,
): Promise<CommitId | undefined> {
  if (revision === undefined) return undefined;
  return isCommitId(revision) ? revision : deps.readRef(repo, revision);
}

/** Without a revision, every commit is an answer. */
function isMeant({ revision, commit }: Question, entry: ShelfEntry): boolean {
  if (revision === undefined || entry.commit === commit) return true;
  return entry.publication?.revision === revision;
}

async function rowsOfSelf(question: Question, deps: LocateDeps): Promise<readonly LocatedNode[]> {
  const { self } = deps;
  if (self === undefined) return [];
  const lastSeen = new Date(deps.wallMs()).toISOString();
  const own = (await deps.own(question.repo)).filter((entry) => isMeant(question, entry));
  return own.map((entry) => ({ ...rowOf(entry), node: self, isSelf: true, isUp: true, lastSeen }));
}

function rowsByName(question: Question, { whereabouts }: LocateDeps): readonly LocatedNode[] {
  const meant = whereabouts.holders(question.repo).filter(({ entry }) => isMeant(question, entry));
  return meant.map(({ node, isUp, lastSeenMs, entry }) => {
    return { ...rowOf(entry), node, isSelf: false, isUp, lastSeen: new Date(lastSeenMs).toISOString() };
  });
}

function rowOf({ commit, bytes, publication }: ShelfEntry) {
  return { has: "whole" as const, commit, bytes, totalBytes: bytes, publisher: publication?.publisher ?? null };
}

/** Nodes that are still pulling it, and those that have its files under another name: seen where this node knows which files it has. */
async function rowsByBlobs(question: Question, deps: LocateDeps): Promise<readonly LocatedNode[]> {
  const { repo } = question;
  const commit = question.commit ?? (await deps.readRef(repo, "main" as Revision));
  const files = commit && (await deps.readTree(repo, commit));
  if (commit === undefined || files === undefined) return [];
  const bytesOf = new Map<NodeId, number>();
  for (const [blob, sizeBytes] of new Map(files.map((file) => [file.blob, file.sizeBytes]))) {
    for (const [node, bytes] of deps.heldBytes(blob)) {
      bytesOf.set(node, (bytesOf.get(node) ?? 0) + Math.min(bytes, sizeBytes));
    }
  }
  const totalBytes = [...new Map(files.map(({ blob, sizeBytes }) => [blob, sizeBytes])).values()].reduce(
    (a, b) => a + b,
    0,
  );
  const lastSeen = new Date(deps.wallMs()).toISOString();
  return [...bytesOf]
    .filter(([, bytes]) => bytes > 0)
    .map(([node, bytes]) => {
      const has = bytes === totalBytes ? ("whole" as const) : ("part" as const);
      return { node, isSelf: false, isUp: true, has, commit, bytes, totalBytes, publisher: null, lastSeen };
    });
}

function rowsRegistered(
  { repo, revision, commit }: Question,
  { whereabouts, self }: LocateDeps,
): readonly LocatedNode[] {
  const meant = whereabouts.registered(repo).filter((one) => {
    return revision === undefined || one.commit === undefined || one.commit === commit;
  });
  return meant.map(({ node, commit, seenMs }) => ({
    node,
    isSelf: node === (self as string | undefined),
    isUp: false,
    has: "said",
    commit: commit ?? null,
    bytes: null,
    totalBytes: null,
    publisher: null,
    lastSeen: new Date(seenMs).toISOString(),
  }));
}
