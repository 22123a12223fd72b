/** Commits and file lists from other members, for a node that can't ask the origin. */
import {
  type CommitId,
  formatRepo,
  type NodeId,
  type RepoFile,
  type RepoRef,
  type Revision,
  SwarmError,
  toSwarmError,
} from "@swarmd/protocol";
import type { MemberRequest, MemberResponse } from "@swarmd/protocol/wire";
import type { ClusterNetwork } from "./ports.js";

export interface MemberRevision {
  readonly commit: CommitId;
  readonly isPrivate: boolean;
  readonly from: NodeId;
}

/** The whole question, to all members: a person waits. */
const RESOLVE_MS = 5_000;
const PAGE_MS = 10_000;
/** Each brings thousands of files, or is wrong. */
const PAGES_MAX = 2_000;
const ASKED_MAX = 32;

interface Cancellable {
  readonly signal: AbortSignal;
}

export class MemberManifests {
  readonly #network: Pick<ClusterNetwork, "ask" | "connected">;

  constructor(network: Pick<ClusterNetwork, "ask" | "connected">) {
    this.#network = network;
  }

  /** What members say a revision is: the one who heard it from the origin last. `undefined` when nobody knows. */
  async resolve(repo: RepoRef, revision: Revision, { signal }: Cancellable): Promise<MemberRevision | undefined> {
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(RESOLVE_MS)]);
    const answers = await this.#askAll({ type: "resolve", repo, revision }, deadline);
    const resolved = answers.flatMap(({ from, response }) =>
      response.type === "resolved" ? [{ ...response, from }] : [],
    );
    const [youngest] = resolved.sort((a, b) => a.ageMs - b.ageMs);
    return youngest && { commit: youngest.commit, isPrivate: youngest.isPrivate, from: youngest.from };
  }

  /** All files of a commit, from the first member that has them. `undefined` when nobody does. */
  async files(
    repo: RepoRef,
    commit: CommitId,
    options: Cancellable & { readonly first?: NodeId },
  ): Promise<{ readonly files: readonly RepoFile[]; readonly from: NodeId } | undefined> {
    const { signal, first } = options;
    const others = this.#network.connected.filter((id) => id !== first).slice(0, ASKED_MAX);
    for (const from of first === undefined ? others : [first, ...others]) {
      try {
        return { files: await this.#allPages(from, repo, commit, signal), from };
      } catch (error) {
        if (signal.aborted) throw toSwarmError(error);
      }
    }
    return undefined;
  }

  async #allPages(from: NodeId, repo: RepoRef, commit: CommitId, signal: AbortSignal): Promise<readonly RepoFile[]> {
    const files: RepoFile[] = [];
    for (let pages = 0; pages < PAGES_MAX; pages += 1) {
      const deadline = AbortSignal.any([signal, AbortSignal.timeout(PAGE_MS)]);
      const question = { type: "list-files", repo, commit, from: files.length } as const;
      const page = await this.#network.ask(from, question, { signal: deadline });
      if (page.type !== "files") throw new SwarmError("PEER_LACKS", `${from} has no file list of ${formatRepo(repo)}`);
      files.push(...page.files);
      if (files.length === page.total) return checkUnique(files, from);
      if (page.files.length === 0 || files.length > page.total) break;
    }
    throw new SwarmError("PEER_FAULT", `${from} sends a file list of ${formatRepo(repo)} that does not end`);
  }

  async #askAll(
    question: MemberRequest,
    signal: AbortSignal,
  ): Promise<{ readonly from: NodeId; readonly response: MemberResponse }[]> {
    const asked = this.#network.connected.slice(0, ASKED_MAX);
    const answers = await Promise.allSettled(
      asked.map(async (from) => ({ from, response: await this.#network.ask(from, question, { signal }) })),
    );
    return answers.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  }
}

function checkUnique(files: readonly RepoFile[], from: NodeId): readonly RepoFile[] {
  if (new Set(files.map(({ path }) => path)).size === files.length) return files;
  throw new SwarmError("PEER_FAULT", `${from} names a file twice`);
}
