/** What other nodes said they have, by name, and what programs registered. Kept over restarts: a node that is off is still known for what it had. */
import { type CommitId, formatRepo, type NodeId, parseRepoSpec, type RepoRef, SwarmError } from "@swarmd/protocol";
import type { Publication, ShelfEntry, ShelfNews } from "@swarmd/protocol/wire";
import type { Records } from "./ports.js";
import type { Registration, SaidEntry, Shelf } from "./said.js";
import { formatWhereabouts, parseWhereabouts } from "./whereabouts-file.js";

/** One node that has a repo. */
export interface Holder {
  readonly node: NodeId;
  readonly isUp: boolean;
  readonly lastSeenMs: number;
  readonly entry: ShelfEntry;
}

export interface WhereaboutsDeps {
  readonly records: Records;
  /** Milliseconds since 1970. */
  readonly wallMs: () => number;
  readonly onFault: (error: unknown) => void;
}

/** Nodes that are there, and those that were. The longest gone is forgotten first. */
const NODES_MAX = 4_096;
const ENTRIES_PER_NODE_MAX = 4_096;
const ENTRIES_MAX = 65_536;
const REGISTRATIONS_MAX = 10_000;
/** A node that was not seen for a month has another disk by now. */
const FORGET_MS = 30 * 24 * 3_600_000;
/** News come in bursts. */
const WRITE_DELAY_MS = 1_000;

export class Whereabouts {
  readonly #deps: WhereaboutsDeps;
  readonly #shelves = new Map<NodeId, Shelf>();
  readonly #registered = new Map<string, Registration>();
  #total = 0;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(deps: WhereaboutsDeps) {
    this.#deps = deps;
  }

  /** Reads what an earlier run knew. What can't be read is forgotten. */
  async start(): Promise<void> {
    const nowMs = this.#deps.wallMs();
    const { shelves, registrations } = parseWhereabouts(await this.#deps.records.read().catch(() => undefined));
    for (const [node, { lastSeenMs, entries }] of shelves) {
      if (nowMs - lastSeenMs > FORGET_MS) continue;
      const shelf: Shelf = { epoch: -1, fullSequence: 0, isUp: false, lastSeenMs, entries: new Map() };
      this.#shelves.set(node, shelf);
      for (const entry of entries) this.#put(shelf, entry, 0);
    }
    for (const one of registrations.slice(-REGISTRATIONS_MAX)) this.#registered.set(keyOfRegistration(one), one);
  }

  async stop(): Promise<void> {
    if (this.#timer === undefined) return this.#writing;
    clearTimeout(this.#timer);
    await this.#write();
  }

  up(node: NodeId): void {
    const shelf = this.#shelf(node);
    shelf.isUp = true;
    shelf.lastSeenMs = this.#deps.wallMs();
    this.#makeRoom();
  }

  down(node: NodeId): void {
    const shelf = this.#shelves.get(node);
    if (shelf?.isUp !== true) return;
    shelf.isUp = false;
    shelf.lastSeenMs = this.#deps.wallMs();
    this.#writeSoon();
  }

  /** A node speaks of itself. What is out of date, or too much, is dropped. */
  heard(node: NodeId, news: ShelfNews): void {
    const shelf = this.#shelf(node);
    const { epoch, sequence, isFull } = news;
    if (epoch < shelf.epoch || (epoch === shelf.epoch && isFull && sequence <= shelf.fullSequence)) return;
    // A new run of the node: what it said before does not count, and its own list comes in full.
    if (epoch !== shelf.epoch) {
      shelf.fullSequence = 0;
      if (shelf.epoch >= 0) this.#clear(shelf, () => true);
    }
    shelf.epoch = epoch;
    shelf.lastSeenMs = this.#deps.wallMs();
    if (isFull) {
      shelf.fullSequence = sequence;
      this.#clear(shelf, (said) => said.sequence < sequence);
    }
    for (const { repo, commit } of news.gone) {
      const name = `${formatRepo(repo)}@${commit} `;
      this.#clear(shelf, (said, key) => key.startsWith(name) && said.sequence < sequence);
    }
    for (const entry of news.entries) this.#put(shelf, entry, sequence);
    this.#makeRoom();
    this.#writeSoon();
  }

  /** @throws SwarmError USAGE when the model is no repo */
  register(node: string, model: string): void {
    const { repo, revision } = parseRepoSpec(model);
    const commit = revision as CommitId | undefined;
    const one: Registration = { node, repo: formatRepo(repo), commit, seenMs: this.#deps.wallMs() };
    const key = keyOfRegistration(one);
    this.#registered.delete(key);
    if (this.#registered.size >= REGISTRATIONS_MAX) {
      throw new SwarmError("USAGE", `${REGISTRATIONS_MAX} models are registered already`, {
        hint: "Registering is for copies that swarmd does not see; the nodes of the swarm tell what they have by themselves.",
      });
    }
    this.#registered.set(key, one);
    this.#writeSoon();
  }

  /** Who has a repo, by what they said. */
  holders(repo: RepoRef): readonly Holder[] {
    const name = `${formatRepo(repo)}@`;
    return [...this.#shelves].flatMap(([node, { isUp, lastSeenMs, entries }]) =>
      [...entries].flatMap(([key, { entry }]) => (key.startsWith(name) ? [{ node, isUp, lastSeenMs, entry }] : [])),
    );
  }

  registered(repo: RepoRef): readonly Registration[] {
    const name = formatRepo(repo);
    return [...this.#registered.values()].filter((one) => one.repo === name);
  }

  /** What others hold of repos that some node published under this name. Signatures were not checked. */
  publicationsOf(repo: RepoRef): readonly { readonly publication: Publication; readonly holders: readonly NodeId[] }[] {
    const found = new Map<string, { publication: Publication; holders: NodeId[] }>();
    for (const { node, isUp, entry } of this.holders(repo)) {
      const { publication } = entry;
      if (publication === undefined) continue;
      // By the signature too: whoever forges one must not take the place of the right one.
      const key = `${publication.publisher} ${publication.timeMs} ${Buffer.from(publication.signature).toString("base64")}`;
      const known = found.get(key) ?? { publication, holders: [] };
      if (isUp) known.holders.push(node);
      found.set(key, known);
    }
    return [...found.values()];
  }

  #shelf(node: NodeId): Shelf {
    let shelf = this.#shelves.get(node);
    if (shelf === undefined) {
      shelf = { epoch: -1, fullSequence: 0, isUp: false, lastSeenMs: this.#deps.wallMs(), entries: new Map() };
      this.#shelves.set(node, shelf);
    }
    return shelf;
  }

  #put(shelf: Shelf, entry: ShelfEntry, sequence: number): void {
    const key = `${formatRepo(entry.repo)}@${entry.commit} ${entry.publication?.revision ?? ""}`;
    const before = shelf.entries.get(key);
    if (before !== undefined && before.sequence > sequence) return;
    if (before === undefined) {
      if (shelf.entries.size >= ENTRIES_PER_NODE_MAX) return;
      this.#total += 1;
    }
    shelf.entries.set(key, { entry, sequence });
  }

  #clear(shelf: Shelf, isGone: (said: SaidEntry, key: string) => boolean): void {
    for (const [key, said] of [...shelf.entries]) {
      if (isGone(said, key) && shelf.entries.delete(key)) this.#total -= 1;
    }
  }

  /** Those that have been away longest go first; those that are there only when nobody is away. */
  #makeRoom(): void {
    while (this.#shelves.size > NODES_MAX || this.#total > ENTRIES_MAX) {
      const order = ([, a]: [NodeId, Shelf], [, b]: [NodeId, Shelf]) =>
        Number(a.isUp) - Number(b.isUp) || a.lastSeenMs - b.lastSeenMs;
      const oldest = [...this.#shelves].reduce((one, other) => (order(other, one) < 0 ? other : one));
      this.#clear(oldest[1], () => true);
      this.#shelves.delete(oldest[0]);
    }
  }

  #writeSoon(): void {
    this.#timer ??= setTimeout(() => void this.#write(), WRITE_DELAY_MS).unref();
  }

  #write(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const text = formatWhereabouts(this.#shelves, [...this.#registered.values()]);
    const write = () => this.#deps.records.write(text).catch(this.#deps.onFault);
    this.#writing = this.#writing.then(write, write);
    return this.#writing;
  }
}

function keyOfRegistration({ node, repo, commit }: Registration): string {
  return `${node} ${repo}@${commit ?? ""}`;
}
