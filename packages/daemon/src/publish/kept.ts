/** The publications whose files this node has taken into its cache, its own among them, and whose word counts for which name from now on. */
import { type CommitId, formatRepo, type NodeId, parseNodeId, type RepoRef, type Revision } from "@swarmd/protocol";
import { decodePublication, encodePublication, OPEN_CLUSTER, type Publication } from "@swarmd/protocol/wire";
import type { Records } from "./ports.js";
import { isSigned } from "./signed.js";

const VERSION = 1;

interface Kept {
  readonly publications: Map<string, Publication>;
  readonly publishers: Map<string, NodeId>;
}

export class KeptPublications {
  readonly #records: Records;
  #loading: Promise<Kept> | undefined;
  #loaded: Kept | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(deps: { readonly records: Records }) {
    this.#records = deps.records;
  }

  async all(): Promise<readonly Publication[]> {
    return [...(await this.#load()).publications.values()];
  }

  /** What was kept of a repo. */
  async of(repo: RepoRef): Promise<readonly Publication[]> {
    const name = formatRepo(repo);
    return (await this.all()).filter((publication) => formatRepo(publication.repo) === name);
  }

  async find(repo: RepoRef, revision: Revision, publisher: NodeId): Promise<Publication | undefined> {
    const kept = (await this.#load()).publications.get(keyOf({ repo, revision }));
    return kept?.publisher === publisher ? kept : undefined;
  }

  /** The node whose files are taken under this name; `undefined` for a name that was never taken from a node. */
  async publisherOf(repo: RepoRef): Promise<NodeId | undefined> {
    return (await this.#load()).publishers.get(formatRepo(repo));
  }

  /** Its files are in the cache, and its publisher's word counts for the name. @throws SwarmError NO_SPACE, STORE_FAULT */
  async keep(publication: Publication): Promise<void> {
    const { publications, publishers } = await this.#load();
    const name = formatRepo(publication.repo);
    if (publishers.get(name) !== publication.publisher) {
      for (const old of await this.of(publication.repo)) publications.delete(keyOf(old));
    }
    publishers.set(name, publication.publisher);
    publications.set(keyOf(publication), publication);
    await this.#write();
  }

  /** Forgets one commit of a repo: its files are gone. With the last one goes the publisher's claim to the name. @throws SwarmError NO_SPACE, STORE_FAULT */
  async drop(repo: RepoRef, commit: CommitId): Promise<void> {
    const { publications, publishers } = await this.#load();
    const gone = (await this.of(repo)).filter((one) => one.commit === commit);
    if (gone.length === 0) return;
    for (const one of gone) publications.delete(keyOf(one));
    if ((await this.of(repo)).length === 0) publishers.delete(formatRepo(repo));
    await this.#write();
  }

  /** Whether everything of a repo was published for everybody; `false` for one that is not known. Asks no disk. */
  isForAll(repo: RepoRef): boolean {
    const name = formatRepo(repo);
    const known = [...(this.#loaded?.publications.values() ?? [])].filter((one) => formatRepo(one.repo) === name);
    return known.length > 0 && known.every(({ cluster }) => cluster === OPEN_CLUSTER);
  }

  #load(): Promise<Kept> {
    this.#loading ??= this.#records.read().then((text) => {
      this.#loaded = parse(text);
      return this.#loaded;
    });
    return this.#loading;
  }

  async #write(): Promise<void> {
    const { publications, publishers } = await this.#load();
    const kept = [...publications.values()].map((one) => Buffer.from(encodePublication(one)).toString("base64"));
    const text = `${JSON.stringify({ version: VERSION, publishers: [...publishers], publications: kept }, null, 1)}\n`;
    const write = () => this.#records.write(text);
    const writing = this.#writing.then(write, write);
    this.#writing = writing;
    await writing;
  }
}

function keyOf({ repo, revision }: Pick<Publication, "repo" | "revision">): string {
  return `${formatRepo(repo)}@${revision}`;
}

/** What makes no sense is left out: then nobody's word counts, which is always safe. */
function parse(text: string | undefined): Kept {
  const kept: Kept = { publications: new Map(), publishers: new Map() };
  try {
    const { version, publishers, publications } = JSON.parse(text ?? "") as Record<string, unknown>;
    if (version !== VERSION) return kept;
    for (const [name, node] of publishers as [string, string][]) kept.publishers.set(name, parseNodeId(node));
    for (const encoded of publications as string[]) {
      const publication = decodePublication(new Uint8Array(Buffer.from(encoded, "base64")));
      const isOurs = kept.publishers.get(formatRepo(publication.repo)) === publication.publisher;
      if (isOurs && isSigned(publication)) kept.publications.set(keyOf(publication), publication);
    }
  } catch {
    // Damaged from here on; what was read before it counts.
  }
  return kept;
}
