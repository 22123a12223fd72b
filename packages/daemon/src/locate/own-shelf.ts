/** The repos that this node has whole and may speak of: told to each peer when it is met, and to all whenever one comes or goes. */
import { formatRepo, type NodeId } from "@swarmd/protocol";
import { SHELF_ENTRIES_MAX, type ShelfEntry, type ShelfNews } from "@swarmd/protocol/wire";
import type { ShelfNetwork } from "./ports.js";

/** A node with more repos speaks of those that it names first. */
const ENTRIES_MAX = 2_048;
/** News get lost; and nobody can tell what he never heard. The more nodes, the longer, so that all together stay quiet. */
const REPEAT_MS_PER_PEER = 30_000;
const REPEAT_MS_LEAST = 10 * 60_000;

export interface OwnShelfDeps {
  readonly network: ShelfNetwork;
  /** Rises with every start. */
  readonly epoch: number;
  /** Whether those who hear this node now may know of it. */
  readonly mayTell: (entry: ShelfEntry) => boolean;
}

export class OwnShelf {
  readonly #deps: OwnShelfDeps;
  #entries = new Map<string, ShelfEntry>();
  #sequence = 0;
  #repeat: NodeJS.Timeout | undefined;

  constructor(deps: OwnShelfDeps) {
    this.#deps = deps;
  }

  get entries(): readonly ShelfEntry[] {
    return [...this.#entries.values()];
  }

  /** Everything that is there now; what is new or gone is told. */
  update(entries: readonly ShelfEntry[]): void {
    const before = this.#entries;
    this.#entries = new Map(entries.slice(0, ENTRIES_MAX).map((entry) => [keyOf(entry), entry]));
    const fresh = [...this.#entries].filter(([key]) => !before.has(key)).map(([, entry]) => entry);
    const gone = [...before].filter(([key]) => !this.#entries.has(key)).map(([, entry]) => entry);
    // Of two publications of one commit, the one that stays must not go with the other.
    const lost = gone.filter((one) => !this.entries.some((other) => nameOf(other) === nameOf(one)));
    const [come, went] = [inParts(this.#tellable(fresh)), inParts(this.#tellable(lost))];
    for (let part = 0; part < Math.max(come.length, went.length); part += 1) {
      this.#deps.network.announce(this.#news(false, come[part] ?? [], went[part] ?? []));
    }
  }

  /** A peer is there: it hears everything. */
  meet(peer: NodeId): void {
    this.#deps.network.tell(peer, this.#full());
  }

  /** Says everything again now and then, the less often the more peers there are. */
  repeat(peers: () => number): void {
    const delayMs = Math.max(REPEAT_MS_LEAST, REPEAT_MS_PER_PEER * peers());
    this.#repeat = setTimeout(() => {
      for (const news of this.#full()) this.#deps.network.announce(news);
      this.repeat(peers);
    }, delayMs).unref();
  }

  stop(): void {
    clearTimeout(this.#repeat);
  }

  #tellable(entries: readonly ShelfEntry[]): readonly ShelfEntry[] {
    return entries.filter((entry) => this.#deps.mayTell(entry));
  }

  #full(): readonly ShelfNews[] {
    const [first = [], ...rest] = inParts(this.#tellable(this.entries));
    return [this.#news(true, first, []), ...rest.map((part) => this.#news(false, part, []))];
  }

  #news(isFull: boolean, entries: readonly ShelfEntry[], gone: readonly ShelfEntry[]): ShelfNews {
    this.#sequence += 1;
    const lost = gone.map(({ repo, commit }) => ({ repo, commit }));
    return { epoch: this.#deps.epoch, sequence: this.#sequence, isFull, entries, gone: lost };
  }
}

function inParts(entries: readonly ShelfEntry[]): readonly (readonly ShelfEntry[])[] {
  const parts: ShelfEntry[][] = [];
  for (let at = 0; at < entries.length; at += SHELF_ENTRIES_MAX) parts.push(entries.slice(at, at + SHELF_ENTRIES_MAX));
  return parts;
}

function nameOf({ repo, commit }: ShelfEntry): string {
  return `${formatRepo(repo)}@${commit}`;
}

function keyOf(entry: ShelfEntry): string {
  const { publication } = entry;
  return publication === undefined
    ? nameOf(entry)
    : `${nameOf(entry)} ${publication.revision} ${publication.publisher} ${publication.timeMs}`;
}
