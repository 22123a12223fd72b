/**
 * Faults as data: what goes wrong, for which requests, how often. A test sets a list, clears it, or asks for a random mix
 * by seed; the Hub asks at each point where something can go wrong whether it does.
 */
import { createHash } from "node:crypto";
import type { RequestKind } from "./route.js";

/** Which requests a fault strikes. Everything absent: every request, every time. */
export interface FaultScope {
  /** Part of the subject: `org/name/path/in/repo`, `files/name`, or for other requests the path of the URL. */
  readonly path?: string | RegExp;
  readonly on?: RequestKind | readonly RequestKind[];
  readonly method?: "GET" | "HEAD" | "POST";
  /** Strikes at most so often. */
  readonly times?: number;
  /** Spares the first matches. */
  readonly skip?: number;
  /** Of the matches, strikes only every n-th. */
  readonly every?: number;
}

/** Where in a body a fault strikes: after so many bytes of this body, or at this part of it (0 to 1). Default: half. */
interface CutPoint {
  readonly afterBytes?: number;
  readonly atFraction?: number;
}

type FaultAction =
  /** The answer starts late. */
  | { readonly kind: "latency"; readonly ms: number }
  /** The connection is closed before any answer. */
  | { readonly kind: "hangUp" }
  /** The request is taken, and nothing is ever said (or only after `forMs`). */
  | { readonly kind: "silent"; readonly forMs?: number }
  | { readonly kind: "status"; readonly status: number; readonly retryAfterS?: number }
  /** 429, with the headers asked for; with neither, `Retry-After: 1`. */
  | { readonly kind: "rateLimited"; readonly retryAfterS?: number; readonly rateLimitResetS?: number }
  /** The connection is reset in the middle of a body; a slow reader gets fewer bytes than were sent before. */
  | ({ readonly kind: "drop" } & CutPoint)
  /** The connection is closed cleanly before the body is complete. */
  | ({ readonly kind: "truncate" } & CutPoint)
  /** The body stops and the connection stays (or goes on after `forMs`). */
  | ({ readonly kind: "stall"; readonly forMs?: number } & CutPoint)
  /** Right length, one byte flipped: at this offset of the file (then only answers that hold it count), or at the cut point. */
  | ({ readonly kind: "wrongBytes"; readonly atByte?: number } & CutPoint)
  /** This body is sent at no more than this rate. */
  | { readonly kind: "slow"; readonly bytesPerSecond: number }
  /** 200 with everything, whatever Range asks. */
  | { readonly kind: "ignoreRange" }
  /** Chunked, without Content-Length. */
  | { readonly kind: "noLength" }
  /** A signed URL of the CDN expires now: it answers 403, and goes on doing so. */
  | { readonly kind: "expiredUrl" }
  /** Another ETag than before, so that If-Range and If-None-Match no longer match. */
  | { readonly kind: "etagChanged" }
  | { readonly kind: "gated" }
  | { readonly kind: "private" }
  | { readonly kind: "missingRepo" }
  | { readonly kind: "missingRevision" }
  | { readonly kind: "missingFile" }
  /** Both listeners refuse connections, and those that are open are reset, for as long as this fault is set. */
  | { readonly kind: "down" };

export type Fault = FaultScope & FaultAction;
export type FaultKind = FaultAction["kind"];
type FaultOf<Kind extends FaultKind> = FaultScope & Extract<FaultAction, { readonly kind: Kind }>;

export interface RandomFaultOptions {
  /** Default: everything from {@link RANDOM_KINDS}. */
  readonly kinds?: readonly FaultKind[];
  /** How likely a request is struck. Default 0.2. */
  readonly chance?: number;
  /** No more than so many in all, so that a patient client gets through. Default: no bound. */
  readonly budget?: number;
  readonly path?: string | RegExp;
  readonly on?: RequestKind | readonly RequestKind[];
}

/** What a patient client should survive: nothing here says "not found" or "not allowed". */
export const RANDOM_KINDS = [
  "latency",
  "hangUp",
  "status",
  "rateLimited",
  "drop",
  "truncate",
  "stall",
  "wrongBytes",
  "ignoreRange",
  "expiredUrl",
] as const satisfies readonly FaultKind[];

/** What is known of a request before it is answered. */
export interface RequestFacts {
  readonly kind: RequestKind;
  readonly method: string;
  readonly subject: string;
  /** The Range header, or "". */
  readonly range: string;
}

/** The faults of one request. */
export interface RequestFaults {
  /** The fault of this kind that strikes this request now, if any. Counts as fired. */
  take<Kind extends FaultKind>(kind: Kind, applies?: (fault: FaultOf<Kind>) => boolean): FaultOf<Kind> | undefined;
}

interface Rule {
  readonly fault: Fault;
  matches: number;
  fired: number;
}

interface RandomMix extends RandomFaultOptions {
  readonly seed: number | string;
}

/** The switchboard of faults: `hub.faults`. */
export class FaultBox {
  #rules: Rule[] = [];
  #random: RandomMix | undefined;
  #randomFired = 0;
  /** How often each request has been seen: the dice of a random mix depend on that, not on the order of requests. */
  #seen = new Map<string, number>();
  #onChange: () => void;
  #onFire: (kind: FaultKind) => void;

  constructor(on: { readonly change: () => void; readonly fire: (kind: FaultKind) => void }) {
    this.#onChange = on.change;
    this.#onFire = on.fire;
  }

  /** Replaces the fixed faults; a random mix stays. The first of several faults of one kind that matches strikes. */
  set(faults: readonly Fault[]): void {
    this.#rules = faults.map((fault) => ({ fault, matches: 0, fired: 0 }));
    this.#onChange();
  }

  /** Adds to the fixed faults. */
  add(...faults: readonly Fault[]): void {
    this.#rules.push(...faults.map((fault) => ({ fault, matches: 0, fired: 0 })));
    this.#onChange();
  }

  /** Strikes at random, but the same requests with the same seed, whatever order they arrive in. */
  random(seed: number | string, options: RandomFaultOptions = {}): void {
    this.#random = { seed, ...options };
    this.#randomFired = 0;
    this.#seen.clear();
  }

  /** Nothing goes wrong any more. */
  clear(): void {
    this.#random = undefined;
    this.set([]);
  }

  /** True while a fault `down` is set. */
  get isDown(): boolean {
    return this.#rules.some((rule) => rule.fault.kind === "down");
  }

  /** To be called once per request, at its start. */
  begin(facts: RequestFacts): RequestFaults {
    const drawn = this.#draw(facts);
    return {
      take: (kind, applies) => {
        const ruled = this.#takeRule(facts, kind, applies);
        if (ruled) return ruled;
        if (drawn.fault?.kind !== kind) return undefined;
        const fault = drawn.fault as FaultOf<typeof kind>;
        if (this.#randomFired >= (this.#random?.budget ?? Infinity) || !(applies?.(fault) ?? true)) return undefined;
        drawn.fault = undefined;
        this.#randomFired += 1;
        this.#onFire(kind);
        return fault;
      },
    };
  }

  #takeRule<Kind extends FaultKind>(
    facts: RequestFacts,
    kind: Kind,
    applies: ((fault: FaultOf<Kind>) => boolean) | undefined,
  ): FaultOf<Kind> | undefined {
    for (const rule of this.#rules) {
      if (rule.fault.kind !== kind || !inScope(rule.fault, facts)) continue;
      const fault = rule.fault as FaultOf<Kind>;
      if (!(applies?.(fault) ?? true) || !isDue(rule)) continue;
      this.#onFire(kind);
      return fault;
    }
    return undefined;
  }

  #draw(facts: RequestFacts): { fault: Fault | undefined } {
    const mix = this.#random;
    if (!mix || !inScope(mix, facts)) return { fault: undefined };
    const key = `${facts.method} ${facts.kind} ${facts.subject} ${facts.range}`;
    const nth = this.#seen.get(key) ?? 0;
    this.#seen.set(key, nth + 1);
    const dice = diceOf(`${mix.seed} ${key} ${nth}`);
    if (dice() >= (mix.chance ?? 0.2)) return { fault: undefined };
    const kinds = mix.kinds ?? RANDOM_KINDS;
    const kind = kinds[Math.floor(dice() * kinds.length)];
    return { fault: kind === undefined ? undefined : randomFault(kind, dice) };
  }
}

function isDue(rule: Rule): boolean {
  const { skip = 0, every = 1, times = Infinity } = rule.fault;
  rule.matches += 1;
  if (rule.matches <= skip || (rule.matches - skip) % every !== 0 || rule.fired >= times) return false;
  rule.fired += 1;
  return true;
}

function inScope(scope: FaultScope, facts: RequestFacts): boolean {
  if (scope.method !== undefined && scope.method !== facts.method) return false;
  if (scope.on !== undefined && !([scope.on].flat() as readonly RequestKind[]).includes(facts.kind)) return false;
  if (scope.path === undefined) return true;
  return typeof scope.path === "string" ? facts.subject.includes(scope.path) : scope.path.test(facts.subject);
}

/** Where a body of `lengthBytes` is cut: how many of its bytes come before. */
export function cutPointOf(fault: CutPoint, lengthBytes: number): number {
  return fault.afterBytes ?? Math.floor(lengthBytes * (fault.atFraction ?? 0.5));
}

/** A random fault with parameters that a test can wait for: short delays, early recovery. */
function randomFault(kind: FaultKind, dice: () => number): Fault {
  const atFraction = dice();
  switch (kind) {
    case "latency":
      return { kind, ms: Math.ceil(dice() * 50) };
    case "status":
      return { kind, status: [500, 502, 503, 504][Math.floor(dice() * 4)] as number };
    case "rateLimited":
      return dice() < 0.5 ? { kind, retryAfterS: 1 } : { kind, rateLimitResetS: 0 };
    case "slow":
      return { kind, bytesPerSecond: 1024 * 1024 };
    case "drop":
    case "truncate":
    case "stall":
    case "wrongBytes":
      return { kind, atFraction };
    default:
      return { kind };
  }
}

/** Numbers in [0, 1) that depend on the text alone. */
function diceOf(text: string): () => number {
  let state = createHash("sha256").update(text).digest();
  let at = 0;
  return () => {
    if (at + 4 > state.length) {
      state = createHash("sha256").update(state).digest();
      at = 0;
    }
    at += 4;
    return state.readUInt32LE(at - 4) / 2 ** 32;
  };
}
