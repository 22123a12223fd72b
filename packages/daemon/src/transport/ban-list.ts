/**
 * Nodes that this one has nothing to do with for a while: longer each time, over restarts too, until somebody lifts it by hand.
 */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { type NodeId, parseNodeId } from "@swarmd/protocol";

export interface Ban {
  readonly id: NodeId;
  readonly why: string;
  /** How often it was banned, this time included. */
  readonly times: number;
  /** Milliseconds since 1970. */
  readonly sinceMs: number;
  readonly untilMs: number;
}

export interface BanListDeps {
  /** Milliseconds since 1970. */
  readonly wallMs: () => number;
  readonly onFault: (error: unknown) => void;
}

const MINUTE_MS = 60_000;
/** A bad disk is mended, a cable changed, in ten minutes; who lies a third time means it. */
const LASTS_MS = [10 * MINUTE_MS, 60 * MINUTE_MS, 24 * 60 * MINUTE_MS] as const;
/** After so long without a new one, the next ban counts as the first. */
const REMEMBERED_MS = 30 * 24 * 60 * MINUTE_MS;
/** A LAN has fewer nodes; names are free, so the ban that ends first goes. */
const MOST = 4096;
const WHY_LENGTH_MAX = 300;

export class BanList {
  readonly #path: string;
  readonly #deps: BanListDeps;
  readonly #bans = new Map<NodeId, Ban>();
  #writing: Promise<void> = Promise.resolve();

  private constructor(path: string, deps: BanListDeps) {
    this.#path = path;
    this.#deps = deps;
  }

  /** Reads what an earlier run wrote; what makes no sense is left out. */
  static async load(path: string, deps: BanListDeps): Promise<BanList> {
    const list = new BanList(path, deps);
    const text = await readFile(path, "utf8").catch(() => "[]");
    for (const ban of parseBans(text)) list.#bans.set(ban.id, ban);
    list.#forgetOld();
    return list;
  }

  /** A node did wrong. While it is banned already, that ban goes on. */
  add(id: NodeId, why: string): Ban {
    const before = this.#bans.get(id);
    if (before !== undefined && this.isBanned(id)) return before;
    const sinceMs = this.#deps.wallMs();
    const times = (before?.times ?? 0) + 1;
    const lastsMs = LASTS_MS[Math.min(times, LASTS_MS.length) - 1] as number;
    const ban = { id, why: why.slice(0, WHY_LENGTH_MAX), times, sinceMs, untilMs: sinceMs + lastsMs };
    this.#bans.delete(id);
    this.#bans.set(id, ban);
    this.#forgetOld();
    this.#write();
    return ban;
  }

  /** By hand: its past is forgotten too. @returns whether it was banned */
  lift(id: NodeId): boolean {
    const wasBanned = this.isBanned(id);
    if (this.#bans.delete(id)) this.#write();
    return wasBanned;
  }

  isBanned(id: NodeId): boolean {
    const ban = this.#bans.get(id);
    return ban !== undefined && ban.untilMs > this.#deps.wallMs();
  }

  /** Those in force, the one that ends first first. */
  get inForce(): readonly Ban[] {
    const nowMs = this.#deps.wallMs();
    return [...this.#bans.values()].filter(({ untilMs }) => untilMs > nowMs).sort((a, b) => a.untilMs - b.untilMs);
  }

  /** Resolves when everything is on disk. Never rejects. */
  flush(): Promise<void> {
    return this.#writing;
  }

  #forgetOld(): void {
    const oldMs = this.#deps.wallMs() - REMEMBERED_MS;
    for (const { id, untilMs } of this.#bans.values()) if (untilMs < oldMs) this.#bans.delete(id);
    const byEnd = [...this.#bans.values()].sort((a, b) => a.untilMs - b.untilMs);
    for (const { id } of byEnd.slice(0, Math.max(0, byEnd.length - MOST))) this.#bans.delete(id);
  }

  #write(): void {
    const text = `${JSON.stringify([...this.#bans.values()], undefined, 1)}\n`;
    this.#writing = this.#writing.then(() => writeWhole(this.#path, text)).catch(this.#deps.onFault);
  }
}

async function writeWhole(path: string, text: string): Promise<void> {
  const temporary = `${path}.new`;
  await mkdir(dirname(path), { recursive: true });
  await writeFile(temporary, text, { flush: true });
  await rename(temporary, path);
}

function parseBans(text: string): Ban[] {
  try {
    const all: unknown = JSON.parse(text);
    return Array.isArray(all) ? all.flatMap((one) => findBan(one as Partial<Record<keyof Ban, unknown>> | null)) : [];
  } catch {
    return [];
  }
}

function findBan(one: Partial<Record<keyof Ban, unknown>> | null): Ban[] {
  const { id, why, times, sinceMs, untilMs } = one ?? {};
  const areWhole = [times, sinceMs, untilMs].every((value) => Number.isSafeInteger(value) && (value as number) > 0);
  if (typeof id !== "string" || typeof why !== "string" || !areWhole) return [];
  return [{ id: parseNodeId(id), why, times, sinceMs, untilMs } as Ban];
}
