/**
 * Keeps connections to the peers we know: dials what was found or named, dials again when a connection is lost, waits longer each time.
 *
 * In: addresses named by the user (kept for ever) or found on the LAN (kept while they may come back). Out: `dial` calls.
 */
import type { Multiaddr } from "@multiformats/multiaddr";
import type { NodeId } from "@swarmd/protocol";
import type { Logger } from "../observe/logger.js";

export interface DialerOptions {
  /** The first wait after a failure; doubles up to `maxWaitMs`, and is cut by up to half at random. */
  readonly firstWaitMs: number;
  readonly maxWaitMs: number;
  /** The same for who is on a LAN of ours: a cable that is back, or a machine that has started again, should not wait long. */
  readonly maxNearWaitMs: number;
  /** A peer that is found while it is dialled is dialled anew, if that has taken so long already: the dial may wait for a lost packet. */
  readonly staleDialMs: number;
  /** A found peer that could not be reached for so long is forgotten until it is found again. */
  readonly giveUpAfterMs: number;
  /** One address gets so long before the next is tried. */
  readonly dialTimeoutMs: number;
  /** Peers that are dialled at the same time. When everybody starts together, a few handshakes that end beat many that time out. */
  readonly mostAtOnce: number;
}

export const DIALER_OPTIONS: DialerOptions = {
  firstWaitMs: 250,
  maxWaitMs: 30_000,
  maxNearWaitMs: 4_000,
  staleDialMs: 1_500,
  giveUpAfterMs: 10 * 60_000,
  dialTimeoutMs: 6_000,
  mostAtOnce: 3,
};

export interface DialerDeps {
  /** Connects and says to whom. Rejects when nobody answers there, or somebody else. */
  dial(address: Multiaddr, options: { readonly signal: AbortSignal }): Promise<NodeId>;
  isConnected(peer: NodeId): boolean;
  /** Best first. */
  sort(addresses: readonly Multiaddr[]): readonly Multiaddr[];
  /** Whether it is on a LAN of ours. */
  isNear(address: Multiaddr): boolean;
  readonly logger: Logger;
}

interface Target {
  readonly key: string;
  readonly isNamed: boolean;
  addresses: readonly Multiaddr[];
  /** Who answered last, or who was found. */
  peer: NodeId | undefined;
  failures: number;
  /** Since when nobody answers. */
  failingSinceMs: number | undefined;
  timer: NodeJS.Timeout | undefined;
  /** While it is being dialled. */
  dialing: Dialing | undefined;
}

interface Dialing {
  readonly sinceMs: number;
  /** Ends it, to begin anew. */
  readonly stale: AbortController;
}

/** Nobody has more peers on one LAN; an impostor can't make us remember more. */
const TARGETS_MAX = 4_096;

export class Dialer {
  readonly #options: DialerOptions;
  readonly #deps: DialerDeps;
  readonly #targets = new Map<string, Target>();
  readonly #stopped = new AbortController();
  /** Whose turn it is next. */
  readonly #queue = new Set<Target>();
  #dialing = 0;

  constructor(options: DialerOptions, deps: DialerDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /** An address that the user gave: dialled for as long as the node runs. */
  name(address: Multiaddr): void {
    this.#dialSoon(this.#upsert(address.toString(), [address], undefined, true), 0);
  }

  /** A peer that was found on the LAN. Dialled after `delayMs`, if it did not come by itself. */
  found(peer: NodeId, addresses: readonly Multiaddr[], delayMs: number): void {
    if (addresses.length === 0) return;
    if (!this.#targets.has(peer) && this.#targets.size >= TARGETS_MAX) return;
    const target = this.#upsert(peer, addresses, peer, false);
    target.failures = 0;
    target.failingSinceMs = undefined;
    const { dialing } = target;
    if (dialing !== undefined && performance.now() - dialing.sinceMs > this.#options.staleDialMs) dialing.stale.abort();
    this.#dialSoon(target, delayMs);
  }

  /** Peers of the LAN that do not answer where they were found. */
  get lostPeers(): readonly NodeId[] {
    return [...this.#targets.values()].flatMap(({ isNamed, peer, failures }) =>
      isNamed || failures === 0 || peer === undefined || this.#deps.isConnected(peer) ? [] : [peer],
    );
  }

  /** Where a peer of the LAN was found. */
  addressesOf(peer: NodeId): readonly Multiaddr[] {
    return this.#targets.get(peer)?.addresses ?? [];
  }

  /** A connection was lost: try again, at once the first time. */
  lost(peer: NodeId): void {
    for (const target of this.#targets.values()) if (target.peer === peer) this.#dialSoon(target, this.#waitMs(target));
  }

  /** A peer said goodbye, or is not welcome: it may come by itself, or be found again. */
  forget(peer: NodeId): void {
    for (const target of [...this.#targets.values()]) {
      if (target.peer === peer && !target.isNamed) this.#remove(target);
    }
  }

  /** Something about the network changed: whoever is not connected is dialled now. */
  retryAll(): void {
    for (const target of this.#targets.values()) {
      target.failures = 0;
      this.#dialSoon(target, 0);
    }
  }

  stop(): void {
    this.#stopped.abort();
    for (const target of [...this.#targets.values()]) this.#remove(target);
  }

  #upsert(key: string, addresses: readonly Multiaddr[], peer: NodeId | undefined, isNamed: boolean): Target {
    const known = this.#targets.get(key);
    if (known !== undefined) {
      known.addresses = addresses;
      return known;
    }
    const target: Target = {
      key,
      isNamed,
      addresses,
      peer,
      failures: 0,
      failingSinceMs: undefined,
      timer: undefined,
      dialing: undefined,
    };
    this.#targets.set(key, target);
    return target;
  }

  #remove(target: Target): void {
    clearTimeout(target.timer);
    this.#queue.delete(target);
    this.#targets.delete(target.key);
  }

  #dialSoon(target: Target, delayMs: number): void {
    if (this.#stopped.signal.aborted || target.dialing !== undefined) return;
    clearTimeout(target.timer);
    target.timer = setTimeout(() => {
      this.#queue.add(target);
      this.#dialNext();
    }, delayMs);
  }

  #dialNext(): void {
    for (const target of this.#queue) {
      if (this.#dialing >= this.#options.mostAtOnce) return;
      this.#queue.delete(target);
      this.#dialing += 1;
      void this.#dial(target).finally(() => {
        this.#dialing -= 1;
        this.#dialNext();
      });
    }
  }

  /** Never rejects. */
  async #dial(target: Target): Promise<void> {
    if (target.dialing !== undefined || (target.peer !== undefined && this.#deps.isConnected(target.peer))) return;
    const stale = new AbortController();
    target.dialing = { sinceMs: performance.now(), stale };
    const peer = await this.#tryAddresses(target, AbortSignal.any([this.#stopped.signal, stale.signal]));
    target.dialing = undefined;
    if (this.#stopped.signal.aborted || !this.#targets.has(target.key)) return;
    if (peer === undefined && stale.signal.aborted) return this.#dialSoon(target, 0);
    if (peer === undefined) return this.#failed(target);
    target.peer = peer;
    target.failures = 0;
    target.failingSinceMs = undefined;
  }

  async #tryAddresses({ key, addresses }: Target, signal: AbortSignal): Promise<NodeId | undefined> {
    for (const address of this.#deps.sort(addresses)) {
      if (signal.aborted) return undefined;
      const deadline = AbortSignal.timeout(this.#options.dialTimeoutMs);
      try {
        return await this.#deps.dial(address, { signal: AbortSignal.any([signal, deadline]) });
      } catch (error) {
        this.#deps.logger.debug({ peer: key, address: address.toString(), why: (error as Error).message }, "no answer");
      }
    }
    return undefined;
  }

  #failed(target: Target): void {
    const nowMs = performance.now();
    target.failingSinceMs ??= nowMs;
    target.failures += 1;
    if (target.isNamed && target.failures === 1) {
      this.#deps.logger.warn(`peer ${target.key} can't be reached; trying again until it can`);
    }
    const isHopeless = !target.isNamed && nowMs - target.failingSinceMs > this.#options.giveUpAfterMs;
    if (isHopeless) this.#remove(target);
    else this.#dialSoon(target, this.#waitMs(target));
  }

  #waitMs({ failures, addresses }: Target): number {
    const { firstWaitMs, maxWaitMs, maxNearWaitMs } = this.#options;
    const mostMs = addresses.some((address) => this.#deps.isNear(address)) ? maxNearWaitMs : maxWaitMs;
    // Random, so that two nodes that lost each other don't dial at the same instant again and again.
    return Math.min(mostMs, firstWaitMs * 2 ** Math.min(failures, 20)) * (0.5 + Math.random() / 2);
  }
}
