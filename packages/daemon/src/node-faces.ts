/**
 * What a node says of models by name: which repos it has and who else has them, what is in them, and repos that no origin has. Joins the
 * rooms publish, locate and manifest to the store, the engine and the peers.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import {
  type CommitId,
  formatRepo,
  isCommitId,
  type NodeId,
  parseNodeId,
  parseRepoSpec,
  parseRevision,
  type RepoFile,
  type RepoRef,
  type Revision,
} from "@swarmd/protocol";
import type {
  AddEvent,
  AddRequest,
  CacheListing,
  LocateRequest,
  ManifestRequest,
  ModelLocation,
  ModelManifest,
  RegisterRequest,
  RegisterResult,
  RemoveResult,
} from "@swarmd/protocol/api";
import { OPEN_CLUSTER, type ShelfEntry, type ShelfNews } from "@swarmd/protocol/wire";
import type { Cluster } from "./cluster/cluster.js";
import type { NodeConfig } from "./config.js";
import type { Engine } from "./core/engine.js";
import type { PlainFaces } from "./gateway/plain-routes.js";
import { type HeadDeps, headSources } from "./head-sources.js";
import { locateModel } from "./locate/locate-model.js";
import { OwnShelf } from "./locate/own-shelf.js";
import { Whereabouts } from "./locate/whereabouts.js";
import { describeModel } from "./manifest/model-manifest.js";
import type { PlannedRepo } from "./manifest/ports.js";
import type { Logger } from "./observe/logger.js";
import type { Origin } from "./origin/origin.js";
import { addToSwarm } from "./publish/add-to-swarm.js";
import { KeptPublications } from "./publish/kept.js";
import type { Records, Signer } from "./publish/ports.js";
import { type PublishedQuestion, PublishedRepos } from "./publish/published-repos.js";
import { nameAtOrigin } from "./published-names.js";
import type { AnchorBasis, PublishedRepos as PullsPublished, RepoMembers } from "./pull/ports.js";
import { planAny } from "./pull/published-plan.js";
import type { Pump } from "./pump.js";
import { writeAtomically } from "./store/atomic-file.js";
import type { BlobStore } from "./store/blob-store.js";
import { findHomes, listWhole } from "./store/listing.js";
import type { VisibilityRecords } from "./store/visibility-records.js";
import type { Swarm } from "./swarm.js";
import type { ShelfDesk } from "./transport/shelf-talk.js";
import { nodeIdOfKey } from "./verify/evidence/node-identity.js";
import type { Verifier } from "./verify/verifier.js";

interface Cancellable {
  readonly signal: AbortSignal;
}

export interface FacesDeps {
  readonly store: BlobStore;
  readonly visibility: VisibilityRecords;
  readonly origin: Origin;
  readonly verifier: Verifier;
  readonly members: RepoMembers;
  readonly basis: AnchorBasis;
  readonly logger: Logger;
  /** Where this node is now. */
  readonly cluster: Pick<Cluster, "id" | "key" | "isMember">;
}

/** What is there only once the node is put together. */
export interface FacesPeers {
  readonly engine: Pick<Engine, "heldBytes">;
  readonly pump: Pick<Pump, "push">;
  /** `undefined` on a node that goes without peers. */
  readonly swarm: Swarm | undefined;
  readonly heads: Pick<HeadDeps, "locators" | "originSource">;
}

/** Peers of a LAN are found and heard of within a second; a busy machine takes longer. */
const MEETING_MS = 6_000;
const ASK_AGAIN_MS = 200;
/** What others have removed from the cache is noticed in the end. */
const LOOK_AGAIN_MS = 60 * 60_000;

export class NodeFaces implements ShelfDesk {
  readonly kept: KeptPublications;
  readonly #config: NodeConfig;
  readonly #deps: FacesDeps;
  readonly #whereabouts: Whereabouts;
  readonly #published: PublishedRepos;
  readonly #shelf: OwnShelf;
  readonly #stopped = new AbortController();
  #joined: FacesPeers | undefined;
  #joinedMs = 0;
  #signer: Promise<Signer> | undefined;
  #looking: Promise<void> = Promise.resolve();
  /** Repos to be looked at, by name; the empty name stands for all. */
  readonly #due = new Map<string, RepoRef | undefined>();
  #timer: NodeJS.Timeout | undefined;

  constructor(config: NodeConfig, deps: FacesDeps) {
    this.#config = config;
    this.#deps = deps;
    const { store, cluster, logger } = deps;
    const wallMs = () => Date.now();
    const records = (name: string) => recordsAt(join(config.stateDir, name));
    this.kept = new KeptPublications({ records: records("publications.json") });
    this.#whereabouts = new Whereabouts({
      records: records("whereabouts.json"),
      wallMs,
      onFault: (err) => logger.warn({ err }, "who has what can't be written down"),
    });
    this.#published = new PublishedRepos({
      kept: this.kept,
      others: this.#whereabouts,
      lists: config.noPeer ? undefined : { ask: (...args) => this.#swarm.askFileList(...args) },
      store,
      rules: () => ({
        cluster: this.#place,
        isMember: (node) => cluster.isMember(node),
        trusted: new Set(config.publishers.map(parseNodeId)),
      }),
      onKept: (repo) => this.look(repo),
    });
    this.#shelf = new OwnShelf({
      epoch: wallMs(),
      // Asked each time: what is for one cluster must not be told in another, or in the open.
      mayTell: ({ publication }) =>
        publication === undefined || (publication.cluster === this.#place && this.#isSettled),
      network: {
        announce: (news) => this.#joined?.swarm?.announceShelf(news),
        tell: (peer, news) => this.#joined?.swarm?.tellShelf(peer, news),
      },
    });
  }

  /** Reads what an earlier run knew; before the first peer is met. */
  async start(): Promise<void> {
    await this.#whereabouts.start();
  }

  /** The node is put together. */
  join(peers: FacesPeers): void {
    this.#joined = peers;
    this.#joinedMs = performance.now();
    this.#timer = setInterval(() => this.look(), LOOK_AGAIN_MS).unref();
    this.#shelf.repeat(() => peers.swarm?.peers.length ?? 0);
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    clearInterval(this.#timer);
    this.#shelf.stop();
    await this.#looking;
    await this.#whereabouts.stop();
  }

  // What peers say and ask.

  heard(peer: NodeId, news: ShelfNews): void {
    this.#whereabouts.heard(peer, news);
  }

  findList(sha256: string): Promise<Uint8Array | undefined> {
    return this.#published.findList(sha256);
  }

  peerUp(peer: NodeId): void {
    this.#whereabouts.up(peer);
    this.#shelf.meet(peer);
  }

  peerDown(peer: NodeId): void {
    this.#whereabouts.down(peer);
  }

  // What people and programs order and ask.

  /** For pulls. */
  get published(): PullsPublished {
    const published = this.#published;
    return {
      publisherOf: (repo) => published.publisherOf(repo),
      choose: (question) => this.#choose(question),
      filesOf: (chosen, options) => published.filesOf(chosen, options),
      keep: (publication) => published.keep(publication),
      nameAtOrigin: (repo, options) => this.#nameAtOrigin(repo, options),
    };
  }

  async add(request: AddRequest, onEvent: (event: AddEvent) => void, { signal }: Cancellable): Promise<void> {
    const { store, verifier } = this.#deps;
    await store.removeLeftImports(parseRepoSpec(request.as).repo);
    const identify = (path: string, options: Cancellable) => verifier.identify(path, options);
    await addToSwarm(
      request,
      {
        store: {
          importFile: (source, repo, options) => store.importFile(source, { repo, identify, ...options }),
          checkFileNames: (paths) => store.checkFileNames(paths),
          reserve: (bytes) => store.reserve(bytes),
          link: (file, options) => store.link(file, options),
          readTree: (repo, commit) => store.readTree(repo, commit),
          writeTree: (manifest) => store.writeTree(manifest),
          writeRef: (repo, revision, commit) => store.writeRef(repo, revision, commit),
          snapshotPath: (repo, commit) => store.snapshotPath(repo, commit),
        },
        kept: this.kept,
        signer: () => this.#getSigner(),
        cluster: this.#place,
        nameAtOrigin: (repo, options) => this.#nameAtOrigin(repo, options),
        onPublished: (files) => this.#offer(files, parseRepoSpec(request.as).repo),
        wallMs: () => Date.now(),
      },
      onEvent,
      signal,
    );
  }

  register({ node, model }: RegisterRequest): RegisterResult {
    this.#whereabouts.register(node, model);
    return { node, model };
  }

  locate({ target }: LocateRequest): Promise<ModelLocation> {
    return this.#locate(target, "owner");
  }

  /** @param audience the owner of the cache sees all of it, everybody else what is public */
  async #locate(target: string, audience: "owner" | "public"): Promise<ModelLocation> {
    const { store, visibility } = this.#deps;
    const { repo } = parseRepoSpec(target);
    const known = await visibility.find(repo);
    const isOpen = (known !== undefined && !known.isPrivate && !known.isGated) || (await this.isPublished(repo));
    const mayTell = audience === "owner" || isOpen;
    return locateModel(target, {
      whereabouts: this.#whereabouts,
      self: (await this.#getSigner()).id,
      own: async (repo) => (mayTell ? this.#ownEntries(repo) : []),
      readRef: (repo, revision) => store.readRef(repo, revision),
      readTree: async (repo, commit) => (mayTell ? store.readTree(repo, commit) : undefined),
      heldBytes: (blob) => this.#joined?.engine.heldBytes(blob) ?? new Map(),
      wallMs: () => Date.now(),
    });
  }

  /** For tools that know nothing of the Hub, on the gateway. */
  plain(pump: Pick<Pump, "isPrivate">): PlainFaces {
    const { store } = this.#deps;
    return {
      openBlob: async (blob) => {
        const found = await store.find(blob);
        return found && store.openWhole(found.path);
      },
      isPublic: (blob) => pump.isPrivate(blob) === false,
      homesOf: (blob, options) => findHomes(store, blob, options),
      describe: async ({ repo, revision, commit, source }, options) => {
        const files = await this.#filesOf(repo, commit, options);
        const publisher = await this.kept.publisherOf(repo);
        const mayAskOrigin = source === "hub" && publisher === undefined;
        return this.#describe({ manifest: { repo, revision, commit, files }, publisher, mayAskOrigin }, options);
      },
      locate: (target) => this.#locate(target, "public"),
      register: (request) => this.register(request),
    };
  }

  async #filesOf(repo: RepoRef, commit: CommitId, options: Cancellable): Promise<readonly RepoFile[]> {
    const { store, origin } = this.#deps;
    return (await store.readTree(repo, commit)) ?? origin.hub.tree(repo, commit, options);
  }

  async manifest(request: ManifestRequest, { signal }: Cancellable): Promise<ModelManifest> {
    const { store, origin, visibility, members, basis } = this.#deps;
    const { repo, revision = parseRevision("main") } = parseRepoSpec(request.target);
    const offline = this.#config.offline || request.offline === true;
    const plan = await planAny(
      { repo, revision, include: [], exclude: [], offline, from: undefined },
      { origin: origin.hub, store, visibility, published: this.published, members, basis, warn: () => undefined },
      signal,
    );
    const publisher = plan.publication?.publisher;
    return this.#describe({ manifest: plan.manifest, publisher, mayAskOrigin: plan.mayAskOrigin }, { signal });
  }

  #describe(repo: PlannedRepo, options: Cancellable): Promise<ModelManifest> {
    const { swarm, engine, heads } = this.#getJoined();
    const sources = headSources({
      store: this.#deps.store,
      ...heads,
      heldBytes: (blob) => engine.heldBytes(blob),
      peerSource: swarm && ((peer) => swarm.rangesOf(peer)),
    });
    return describeModel(repo, sources, options);
  }

  /** Says who published what, of repos that no origin has. */
  async withPublishers(listing: CacheListing): Promise<CacheListing> {
    const publishers = new Map((await this.kept.all()).map((one) => [keyOf(one), one.publisher]));
    const revisions = listing.revisions.map((revision) => {
      const publisher = publishers.get(`${revision.repo}@${revision.commit}`);
      return publisher === undefined ? revision : { ...revision, publisher };
    });
    return { ...listing, revisions };
  }

  /**
   * How far a published repo of the cache may be spoken of; `undefined` for one that no node published. What this node's owner published is
   * public here by his own word; what another node did must not make public what this cache also has of private repos.
   */
  async standingOf(repo: RepoRef): Promise<"public" | "published" | "private" | undefined> {
    const [first] = await this.kept.of(repo);
    if (first === undefined) return undefined;
    // What is for a cluster is its members' alone, wherever this node is.
    if (first.cluster !== OPEN_CLUSTER) return "private";
    return first.publisher === (await this.#getSigner()).id ? "public" : "published";
  }

  /** What this node's owner published and not yet removed, as `org/name@commit`. */
  async ownPublications(): Promise<ReadonlySet<string>> {
    const all = await this.kept.all();
    if (all.length === 0) return new Set();
    const { id } = await this.#getSigner();
    return new Set(all.flatMap((one) => (one.publisher === id ? [`${formatRepo(one.repo)}@${one.commit}`] : [])));
  }

  /** Whether a repo of the cache came from a node, and not from an origin. */
  async isPublished(repo: RepoRef): Promise<boolean> {
    return (await this.kept.publisherOf(repo)) !== undefined;
  }

  /** The commit of a repo that no origin has, if its files are here. */
  async findOwn(repo: RepoRef, revision: Revision): Promise<CommitId | undefined> {
    const { store } = this.#deps;
    const kept = await this.kept.of(repo);
    if (kept.length === 0) return undefined;
    if (!isCommitId(revision)) {
      return kept.find((one) => one.revision === revision)?.commit ?? store.readRef(repo, revision);
    }
    return (await store.readTree(repo, revision)) === undefined ? undefined : revision;
  }

  /** Whether what is fetched of a repo that no origin has is for members of a cluster only; so it is where nobody can tell. */
  isForMembers(repo: RepoRef): boolean {
    return !this.kept.isForAll(repo);
  }

  /** Revisions left the cache. */
  async removed({ revisions }: RemoveResult): Promise<void> {
    for (const { repo, commit } of revisions) await this.kept.drop(parseRepoSpec(repo).repo, commit as CommitId);
    this.look();
  }

  /** What this node has by name may have changed, of one repo or of any: looks, and tells the LAN. */
  look(repo?: RepoRef): void {
    if (this.#stopped.signal.aborted || this.#config.noPeer) return;
    this.#due.set(repo === undefined ? "" : formatRepo(repo), repo);
    if (this.#due.size > 1) return;
    this.#looking = this.#looking
      .then(() => this.#lookAtDue())
      .catch((err: unknown) => {
        if (!this.#stopped.signal.aborted) this.#deps.logger.warn({ err }, "could not see which repos are whole");
      });
  }

  /** A cache may have a hundred thousand files: only what may have changed is looked at. */
  async #lookAtDue(): Promise<void> {
    const due = [...this.#due];
    this.#due.clear();
    if (due.some(([name]) => name === "")) {
      this.#shelf.update(await this.#tellable());
      return;
    }
    const fresh: ShelfEntry[] = [];
    for (const [, repo] of due) fresh.push(...(await this.#tellable(repo)));
    const names = new Set(due.map(([name]) => name));
    this.#shelf.update([...this.#shelf.entries.filter((entry) => !names.has(formatRepo(entry.repo))), ...fresh]);
  }

  /** What everybody who can hear this node may know that it has, of one repo or of all. */
  async #tellable(repo?: RepoRef): Promise<readonly ShelfEntry[]> {
    const told: ShelfEntry[] = [];
    for (const entry of await this.#ownEntries(repo)) {
      if (entry.publication !== undefined) {
        told.push(entry);
        continue;
      }
      const known = await this.#deps.visibility.find(entry.repo);
      if (known !== undefined && !known.isPrivate && !known.isGated) told.push(entry);
    }
    return told;
  }

  /** All that is whole in this cache, told or not. */
  async #ownEntries(repo?: RepoRef): Promise<readonly ShelfEntry[]> {
    const whole = await listWhole(this.#deps.store, {
      signal: this.#stopped.signal,
      ...(repo === undefined ? {} : { repo }),
    });
    const kept = await this.kept.all();
    return whole.flatMap((one): ShelfEntry[] => {
      const publications = kept.filter((publication) => keyOf(publication) === keyOf(one));
      if (publications.length === 0) return [{ ...one, publication: undefined }];
      return publications.map((publication) => ({ ...one, publication }));
    });
  }

  async #offer(files: readonly RepoFile[], repo: RepoRef): Promise<void> {
    const { pump } = this.#getJoined();
    const isPrivate = this.#place !== OPEN_CLUSTER;
    for (const { blob: id, sizeBytes } of files) {
      pump.push({ type: "have", blob: { id, sizeBytes, origin: "none", isPrivate } });
    }
    this.look(repo);
  }

  /** A node that was just started has met nobody yet: who is named, or a member, gets the time to be heard. */
  async #choose(question: PublishedQuestion): ReturnType<PublishedRepos["choose"]> {
    for (;;) {
      const answer = await this.#published.choose(question);
      const mayCome = question.from !== undefined || this.#place !== OPEN_CLUSTER;
      if (answer.kind !== "nobody" || !mayCome || !this.#isNew) return answer;
      await delay(ASK_AGAIN_MS);
    }
  }

  get #isNew(): boolean {
    const isAlone = this.#joined?.swarm === undefined || this.#stopped.signal.aborted;
    return !isAlone && performance.now() - this.#joinedMs < MEETING_MS;
  }

  #nameAtOrigin(repo: RepoRef, options: Cancellable): Promise<"exists" | "absent" | "unknown"> {
    const { origin, visibility } = this.#deps;
    return nameAtOrigin(repo, { origin, visibility, offline: this.#config.offline }, options);
  }

  /** The key is there once the first peer could be met; a node without peers reads it when it is needed. */
  #getSigner(): Promise<Signer> {
    this.#signer ??= openSigner(this.#config.stateDir);
    return this.#signer;
  }

  get #place(): string {
    return this.#deps.cluster.id ?? OPEN_CLUSTER;
  }

  /** Whether the peers are those of the place; not while this node moves from one to another. */
  get #isSettled(): boolean {
    return this.#joined?.swarm?.place === (this.#deps.cluster.key?.publicName ?? OPEN_CLUSTER);
  }

  get #swarm(): Swarm {
    const { swarm } = this.#getJoined();
    if (swarm === undefined) throw new Error("a node without peers asked one");
    return swarm;
  }

  #getJoined(): FacesPeers {
    if (this.#joined === undefined) throw new Error("the node is not put together yet");
    return this.#joined;
  }
}

/** libp2p's keys take a while to load. */
async function openSigner(stateDir: string): Promise<Signer> {
  const { openNodeSigner } = await import("./transport/node-signer.js");
  const { publicKey, sign } = await openNodeSigner(stateDir);
  return { id: nodeIdOfKey(publicKey), sign };
}

function recordsAt(path: string): Records {
  return {
    read: () => readFile(path, "utf8").catch(() => undefined),
    write: (text) => writeAtomically(path, text),
  };
}

function keyOf({ repo, commit }: { readonly repo: RepoRef; readonly commit: CommitId }): string {
  return `${formatRepo(repo)}@${commit}`;
}
