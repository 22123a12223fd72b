/** What `swarm ls` shows and in which order: `--filter 'size>1GB'`, `--sort accessed:asc`. As `hf cache ls` has it. Pure. */
import { findNearest, parseBytes, parseDuration, SwarmError } from "@swarmd/protocol";
import type { CachedRepo, CachedRevision } from "@swarmd/protocol/api";

/** What there is to say of one line; times in ms since 1970. */
export interface Listed {
  readonly repo: string;
  readonly bytes: number;
  readonly accessedMs: number;
  readonly modifiedMs: number;
  readonly refs: readonly string[];
  readonly isPinned: boolean;
}

export type Filter = (row: Listed, nowMs: number) => boolean;

const KEYS = ["size", "accessed", "modified", "type", "name", "refs", "pinned"] as const;
type Key = (typeof KEYS)[number];
const SORTS = ["name", "size", "accessed", "modified"] as const;
type Sort = (typeof SORTS)[number];
const HINT = "Write size>1GB, accessed>7d, modified<30d, type=dataset, name=org/model, refs=main or pinned=yes.";

/** @throws SwarmError USAGE */
export function parseFilter(text: string): Filter {
  const [, name = "", sign = "", value = ""] = /^\s*([a-z]+)\s*(>=|<=|!=|>|<|=)\s*(.+?)\s*$/i.exec(text) ?? [];
  const key = KEYS.find((one) => one === name.toLowerCase());
  if (key === undefined) {
    const nearest = findNearest(name, KEYS);
    throw wrong(text, nearest === undefined ? HINT : `Did you mean ${nearest}${sign}${value}?`);
  }
  if (key === "size") return compare(sign, parseBytes(value), (row) => row.bytes);
  // A time says how long ago: `accessed>7d` is what nobody has used for a week.
  if (key === "accessed") return compare(sign, parseDuration(value), (row, nowMs) => nowMs - row.accessedMs);
  if (key === "modified") return compare(sign, parseDuration(value), (row, nowMs) => nowMs - row.modifiedMs);
  if (sign !== "=" && sign !== "!=") throw wrong(text, `${key} is the same or it is not: = and != are what it takes.`);
  const isSame = sameness(key, value);
  return sign === "=" ? isSame : (row) => !isSame(row);
}

/** @throws SwarmError USAGE */
export function parseSort(text: string): (a: Listed, b: Listed) => number {
  const [name = "", direction] = text.toLowerCase().split(":");
  const key = SORTS.find((one) => one === name);
  if (key === undefined || !(direction === undefined || direction === "asc" || direction === "desc")) {
    const nearest = findNearest(name, SORTS);
    const hint =
      nearest === undefined || nearest === name
        ? `Sort by ${SORTS.join(", ")}; :asc or :desc`
        : `Did you mean ${nearest}?`;
    throw new SwarmError("USAGE", `--sort can't be by ${JSON.stringify(text)}`, { hint });
  }
  // What is biggest, and what was used last, comes first; names go from a to z.
  const isDown = direction === undefined ? key !== "name" : direction === "desc";
  return (a, b) => (isDown ? -1 : 1) * compareBy(key, a, b) || (a.repo < b.repo ? -1 : 1);
}

/** @throws SwarmError USAGE */
export function parseLimit(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new SwarmError("USAGE", `--limit is no whole number above 0: ${JSON.stringify(text)}`);
}

export function toListed(row: CachedRepo | CachedRevision): Listed {
  const { repo, bytes, refs, lastModified, lastAccessed, isPinned } = row;
  return { repo, bytes, refs, accessedMs: Date.parse(lastAccessed), modifiedMs: Date.parse(lastModified), isPinned };
}

function compareBy(key: Sort, a: Listed, b: Listed): number {
  if (key === "size") return a.bytes - b.bytes;
  if (key === "accessed") return a.accessedMs - b.accessedMs;
  if (key === "modified") return a.modifiedMs - b.modifiedMs;
  return a.repo < b.repo ? -1 : a.repo > b.repo ? 1 : 0;
}

function compare(sign: string, bound: number, of: (row: Listed, nowMs: number) => number): Filter {
  return (row, nowMs) => {
    const value = of(row, nowMs);
    if (sign === ">") return value > bound;
    if (sign === "<") return value < bound;
    if (sign === ">=") return value >= bound;
    if (sign === "<=") return value <= bound;
    return sign === "=" ? value === bound : value !== bound;
  };
}

function sameness(key: Key, value: string): (row: Listed) => boolean {
  if (key === "type") return ({ repo }) => typeOf(repo) === value.replace(/s$/, "");
  if (key === "refs") return ({ refs }) => refs.includes(value);
  if (key === "pinned") return ({ isPinned }) => isPinned === /^(?:yes|true|1)$/i.test(value);
  return ({ repo }) => repo === value;
}

function typeOf(repo: string): string {
  return /^(dataset|space)s\//.exec(repo)?.[1] ?? "model";
}

function wrong(text: string, hint: string): SwarmError {
  return new SwarmError("USAGE", `not a filter: ${JSON.stringify(text)}`, { hint });
}
