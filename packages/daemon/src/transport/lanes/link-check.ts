/**
 * Tells a link that is dead from a peer that is slow. A switch between the two ends hides a pulled cable from us, and TCP would wait
 * for minutes; a relay that waits for its own source is as silent, and must not be left.
 *
 * So when a peer that has several addresses keeps us waiting, all of them are asked: if another one answers, and this one does not, it is the
 * link. Machines answer this, not programs, so a busy peer passes.
 */
import type { LaneAddress } from "./ports.js";

export interface LinkCheckOptions {
  /** A peer that sends has no such gaps on a link worth keeping. */
  readonly quietMs: number;
  readonly lookMs: number;
  /** More than a round trip on a LAN, Wi-Fi and full buffers included. */
  readonly answerMs: number;
  /** A second try, for a single packet may be lost. */
  readonly againMs: number;
  /** A link that was found alive is left in peace so long. */
  readonly aliveMs: number;
  /** A link that was found dead is the last to be tried for so long. */
  readonly deadMs: number;
}

/** In all well below the second after which the engine would give the peer up. */
export const LINK_CHECK: LinkCheckOptions = {
  quietMs: 200,
  lookMs: 50,
  answerMs: 400,
  againMs: 150,
  aliveMs: 1_000,
  deadMs: 10_000,
};

export interface LinkCheckDeps {
  /** Never rejects. */
  readonly isReachable: (host: string, port: number, deadlineMs: number) => Promise<boolean>;
  readonly nowMs: () => number;
  readonly onDead: (address: LaneAddress) => void;
}

/** What is watched: a connection during an exchange. */
export interface Watched {
  readonly address: LaneAddress;
  readonly quietMs: number;
}

export class LinkCheck {
  readonly #options: LinkCheckOptions;
  readonly #deps: LinkCheckDeps;
  /** Not to be checked again before. */
  readonly #checkAtMs = new Map<string, number>();
  readonly #deadUntilMs = new Map<string, number>();

  constructor(options: LinkCheckOptions, deps: LinkCheckDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /** @returns ends it */
  watch(watched: Watched, addresses: readonly LaneAddress[]): () => void {
    if (addresses.length < 2) return () => undefined;
    const timer = setInterval(() => {
      if (watched.quietMs >= this.#options.quietMs) void this.check(watched.address, addresses);
    }, this.#options.lookMs);
    return () => clearInterval(timer);
  }

  /** The same addresses; those that were found dead lately at the end. */
  deadLast(addresses: readonly LaneAddress[]): readonly LaneAddress[] {
    const nowMs = this.#deps.nowMs();
    for (const [key, untilMs] of this.#deadUntilMs) if (untilMs <= nowMs) this.#deadUntilMs.delete(key);
    if (this.#deadUntilMs.size === 0) return addresses;
    const isDead = (address: LaneAddress) => this.#deadUntilMs.has(keyOf(address));
    return [...addresses.filter((address) => !isDead(address)), ...addresses.filter(isDead)];
  }

  /** Asks all of them, unless that was done a moment ago; tells when this one is dead. Never rejects. */
  async check(address: LaneAddress, addresses: readonly LaneAddress[]): Promise<void> {
    const key = keyOf(address);
    const { answerMs, aliveMs, deadMs } = this.#options;
    const nowMs = this.#deps.nowMs();
    if ((this.#checkAtMs.get(key) ?? 0) > nowMs) return;
    for (const [known, atMs] of this.#checkAtMs) if (atMs <= nowMs) this.#checkAtMs.delete(known);
    this.#checkAtMs.set(key, nowMs + answerMs + aliveMs);
    const others = addresses.filter((other) => other !== address && keyOf(other) !== key);
    const [isAlive, othersAlive] = await Promise.all([
      this.#asksTwice(address),
      Promise.all(others.map(({ host, port }) => this.#deps.isReachable(host, port, answerMs))),
    ]);
    if (isAlive || !othersAlive.includes(true)) return;
    this.#deadUntilMs.set(key, this.#deps.nowMs() + deadMs);
    this.#deps.onDead(address);
  }

  async #asksTwice({ host, port }: LaneAddress): Promise<boolean> {
    const { answerMs, againMs } = this.#options;
    const again = new Promise<boolean>((resolve) => {
      setTimeout(() => void this.#deps.isReachable(host, port, answerMs - againMs).then(resolve), againMs);
    });
    return (await Promise.all([this.#deps.isReachable(host, port, answerMs), again])).includes(true);
  }
}

function keyOf({ host, port }: LaneAddress): string {
  return `${host} ${port}`;
}
