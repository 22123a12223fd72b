/** The connections of one thread: kept for the next request, or opened, the best address first and the next after a short head start. */
import { SwarmError } from "@swarmd/protocol";
import { isReachable } from "../reachability.js";
import { type ConnectionOptions, LaneConnection } from "./lane-connection.js";
import { LINK_CHECK, LinkCheck } from "./link-check.js";
import type { LaneAddress } from "./ports.js";

export type OpenOptions = Omit<ConnectionOptions, "limit">;

export interface TakenConnection {
  readonly connection: LaneConnection;
  /** It has served a request before, so the peer may just be closing it. */
  readonly isUsed: boolean;
}

export class LaneConnections {
  readonly #limit: ConnectionOptions["limit"];
  readonly #onDead: (host: string) => void;
  readonly #resting = new Map<string, LaneConnection[]>();
  /** All that are open, and perhaps some that were closed since the last was opened. */
  readonly #open = new Set<LaneConnection>();
  readonly #check = new LinkCheck(LINK_CHECK, {
    isReachable,
    nowMs: () => performance.now(),
    onDead: ({ host }) => {
      this.closeOver([host]);
      this.#onDead(host);
    },
  });

  constructor(deps: Pick<ConnectionOptions, "limit"> & { readonly onDead: (host: string) => void }) {
    this.#limit = deps.limit;
    this.#onDead = deps.onDead;
  }

  /**
   * A connection to the first of these addresses that answers. One that rests is taken if it leads to the first of them. What was found
   * dead lately comes last.
   *
   * @throws SwarmError as `LaneConnection.open` does, for the address that failed last
   */
  async take(known: readonly LaneAddress[], options: OpenOptions): Promise<TakenConnection> {
    const addresses = this.#check.deadLast(known);
    const resting = addresses[0] && this.#resting.get(keyOf(addresses[0], options.certificateSha256))?.pop();
    if (resting !== undefined) return { connection: resting, isUsed: true };
    const connection = await this.#race(addresses, options);
    for (const one of this.#open) if (one.isClosed) this.#open.delete(one);
    this.#open.add(connection);
    return { connection, isUsed: false };
  }

  /**
   * Looks after an exchange, so that it does not wait on a link that is dead: its connection breaks then, with PEER_UNREACHABLE.
   *
   * @param addresses all of the peer
   * @returns to be called when the exchange is over
   */
  watch(connection: LaneConnection, addresses: readonly LaneAddress[]): () => void {
    return this.#check.watch(connection, addresses);
  }

  /** Breaks the connections that lead over one of these addresses: what they were fetching goes on over the next link. */
  closeOver(hosts: readonly string[]): void {
    for (const connection of [...this.#open]) {
      if (connection.isOver(hosts)) {
        connection.close(new SwarmError("PEER_UNREACHABLE", `the link to ${connection.address.host} is gone`));
      }
    }
  }

  /** Takes a connection back after its request. */
  give(connection: LaneConnection, certificateSha256: string | undefined): void {
    if (connection.isClosed) return;
    const key = keyOf(connection.address, certificateSha256);
    const resting = this.#resting.get(key) ?? [];
    this.#resting.set(key, resting);
    resting.push(connection);
    connection.onClose = () => {
      const at = resting.indexOf(connection);
      if (at !== -1) resting.splice(at, 1);
      if (resting.length === 0 && this.#resting.get(key) === resting) this.#resting.delete(key);
    };
    connection.rest();
  }

  /** The first to connect wins; the others are given up. */
  async #race(addresses: readonly LaneAddress[], options: OpenOptions): Promise<LaneConnection> {
    const losers = new AbortController();
    const signal = AbortSignal.any([options.signal, losers.signal]);
    const opening = new Set<Promise<LaneConnection>>();
    let failure: unknown = new SwarmError("PEER_UNREACHABLE", "the peer has no address for the direct lane");
    let winner: LaneConnection | undefined;
    const open = async (address: LaneAddress) => {
      const connection = await LaneConnection.open(address, { ...options, signal, limit: this.#limit });
      if (winner !== undefined) connection.close(new SwarmError("INTERRUPTED", "another link was faster"));
      winner ??= connection;
      return connection;
    };
    for (const address of addresses) {
      if (options.signal.aborted) break;
      const attempt = open(address);
      opening.add(attempt);
      attempt
        .catch((error) => {
          if (!losers.signal.aborted) failure = error;
        })
        .finally(() => opening.delete(attempt));
      await firstToSettle(attempt, opening, options.deadlines.headStartMs);
      if (winner !== undefined) break;
    }
    if (winner === undefined) await Promise.any(opening).catch(() => undefined);
    losers.abort();
    // The compiler can't see that `open` sets it.
    const won = winner as LaneConnection | undefined;
    if (won === undefined) throw failure;
    return won;
  }
}

/** Resolves when this attempt has failed, any has succeeded, or the head start is over. */
async function firstToSettle(
  attempt: Promise<LaneConnection>,
  all: ReadonlySet<Promise<LaneConnection>>,
  headStartMs: number,
): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const headStart = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, headStartMs);
  });
  const failed = attempt.then(
    () => undefined,
    () => undefined,
  );
  const connected = Promise.any(all).then(
    () => undefined,
    () => failed,
  );
  await Promise.race([headStart, failed, connected]);
  clearTimeout(timer);
}

function keyOf({ host, port }: LaneAddress, certificateSha256: string | undefined): string {
  return `${host} ${port} ${certificateSha256 ?? "plain"}`;
}
