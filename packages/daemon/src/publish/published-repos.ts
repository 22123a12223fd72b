/** What a pull asks about repos that no origin has: whose word counts, and which files that names. */
import {
  formatRepo,
  type NodeId,
  type RepoFile,
  type RepoRef,
  type Revision,
  SwarmError,
  toSwarmError,
} from "@swarmd/protocol";
import type { Publication } from "@swarmd/protocol/wire";
import { choosePublication, type TrustAnswer, type TrustReason, type TrustRules } from "./choose.js";
import type { KeptPublications } from "./kept.js";
import type { FileLists, HeldByOthers, HeldPublication, PublishStore } from "./ports.js";
import { findFiles, findList, isSigned } from "./signed.js";

export interface PublishedQuestion {
  readonly repo: RepoRef;
  readonly revision: Revision;
  readonly from: NodeId | undefined;
}

export interface PublishedFiles {
  readonly publication: Publication;
  readonly because: TrustReason;
  readonly files: readonly RepoFile[];
}

export interface PublishedReposDeps {
  readonly kept: KeptPublications;
  readonly others: HeldByOthers;
  /** `undefined` on a node that goes without peers. */
  readonly lists: FileLists | undefined;
  readonly store: Pick<PublishStore, "readTree">;
  /** They change when this node joins or leaves a cluster. */
  readonly rules: () => TrustRules;
  /** A publication was pulled. */
  readonly onKept: (repo: RepoRef) => void;
}

/** The list of a large repo, over a slow link. */
const LIST_MS = 30_000;
const ASKED_MAX = 8;

export class PublishedRepos {
  readonly #deps: PublishedReposDeps;

  constructor(deps: PublishedReposDeps) {
    this.#deps = deps;
  }

  /** The node whose files were taken under this name before. */
  publisherOf(repo: RepoRef): Promise<NodeId | undefined> {
    return this.#deps.kept.publisherOf(repo);
  }

  /** Who publishes what under a name, and whether it counts. Signatures are checked. */
  async choose(question: PublishedQuestion): Promise<TrustAnswer<HeldPublication>> {
    const { kept, others, rules } = this.#deps;
    const own = (await kept.of(question.repo)).map((publication) => ({ publication, holders: [] }));
    const heard = others.publicationsOf(question.repo).filter(({ publication }) => isSigned(publication));
    return choosePublication(question, [...own, ...heard], rules());
  }

  /**
   * The files of a publication: from the cache, else from the first holder that has the right list.
   *
   * @throws SwarmError NO_SOURCE when nobody who has them can be asked; INTERRUPTED
   */
  async filesOf(
    { publication, holders }: HeldPublication,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<readonly RepoFile[]> {
    const { store, lists } = this.#deps;
    const known = await store.readTree(publication.repo, publication.commit);
    if (known !== undefined && findList(publication, known) !== undefined) return known;
    const { listSha256: sha256, listBytes: bytes, publisher } = publication;
    let failure: unknown;
    for (const holder of firstIs(publisher, holders).slice(0, ASKED_MAX)) {
      const deadline = AbortSignal.any([signal, AbortSignal.timeout(LIST_MS)]);
      try {
        const list = await lists?.ask(holder, { sha256, bytes }, { signal: deadline });
        const files = list && findFiles(publication, list);
        if (files !== undefined) return files;
      } catch (error) {
        if (signal.aborted) throw toSwarmError(error, "INTERRUPTED");
        failure = error;
      }
    }
    const name = `${formatRepo(publication.repo)}@${publication.revision}`;
    throw new SwarmError("NO_SOURCE", `nobody who has ${name} of node ${publisher} can be reached now`, {
      cause: failure,
      hint: "Start a node that has it: swarm locate shows which.",
    });
  }

  /** Its files are in the cache: the name means this publisher's files from now on. @throws SwarmError NO_SPACE, STORE_FAULT */
  async keep(publication: Publication): Promise<void> {
    await this.#deps.kept.keep(publication);
    this.#deps.onKept(publication.repo);
  }

  /** The file list with this SHA-256, for a peer that asks; `undefined` when this node has none. */
  async findList(sha256: string): Promise<Uint8Array | undefined> {
    const publication = (await this.#deps.kept.all()).find(({ listSha256 }) => listSha256 === sha256);
    const files = publication && (await this.#deps.store.readTree(publication.repo, publication.commit));
    return files && findList(publication, files);
  }
}

function firstIs(first: NodeId, nodes: readonly NodeId[]): readonly NodeId[] {
  return nodes.includes(first) ? [first, ...nodes.filter((node) => node !== first)] : nodes;
}
