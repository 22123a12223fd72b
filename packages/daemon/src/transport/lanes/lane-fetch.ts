/** One order of a lane thread: asks for a range, writes what comes, and goes on over the next link when one dies. */
import { type NodeId, parseNodeId, SwarmError, toFault, toSwarmError } from "@swarmd/protocol";
import type { OpenRangeCheck } from "../../verify/xet/range-check.js";
import type { BodyTaker, Exchange, LaneConnection } from "./lane-connection.js";
import type { LaneConnections } from "./lane-connections.js";
import type { FetchOrder, LaneDeadlines, LaneReport } from "./lane-orders.js";
import type { LaneAddress } from "./ports.js";
import { ProofInbox, type ShardProof } from "./proof-inbox.js";
import type { ReceiveBuffers } from "./receive-buffers.js";
import type { ResponseHead } from "./response-head.js";
import { ShardFile, type ShardHasher } from "./shard-file.js";

/** Refusals name a few others; a longer list is not read to its end. */
const MOST_REDIRECTS = 16;

/** Breaks that are borne beyond one per link, as long as each connection brings something. */
const MORE_TRIES = 2;

export interface LaneFetchDeps {
  readonly connections: LaneConnections;
  readonly buffers: ReceiveBuffers;
  readonly deadlines: LaneDeadlines;
  readonly newHasher: () => ShardHasher;
  readonly openCheck: OpenRangeCheck;
  readonly report: (report: LaneReport) => void;
}

export class LaneFetch {
  readonly #order: FetchOrder;
  readonly #deps: LaneFetchDeps;
  readonly #abort = new AbortController();
  readonly #proofs: ProofInbox | undefined;
  #connection: LaneConnection | undefined;
  #link: string | undefined;
  #needsTicket = false;

  constructor(order: FetchOrder, deps: LaneFetchDeps) {
    this.#order = order;
    this.#deps = deps;
    const { xetHash, sizeBytes, shardBytes } = order;
    if (xetHash !== undefined) this.#proofs = new ProofInbox({ xetHash, sizeBytes, shardBytes }, deps.openCheck);
  }

  /** What has arrived stays in the file. */
  cancel(): void {
    this.#stop(new SwarmError("INTERRUPTED", "the transfer was stopped"));
  }

  /** What a shard is to be held against. */
  prove(shard: number, proof: ShardProof | undefined): void {
    this.#proofs?.put(shard, proof);
  }

  #stop(why: SwarmError): void {
    this.#abort.abort(why);
    this.#proofs?.close();
    this.#connection?.close(why);
  }

  /** Reports `written` as bytes come and `ended` once; never throws. */
  async run(): Promise<void> {
    const { id, startBytes } = this.#order;
    let positionBytes = startBytes;
    let failure: unknown;
    try {
      const file = await ShardFile.open(this.#order, {
        buffers: this.#deps.buffers,
        newHasher: this.#deps.newHasher,
        onWritten: (written, hash) => this.#deps.report({ type: "written", id, positionBytes: written, hash }),
        onFault: (fault) => this.#stop(fault),
        checks: this.#proofs,
      });
      failure = await this.#fetchInto(file);
      positionBytes = file.writtenBytes;
      await file.close();
    } catch (error) {
      failure = error;
    }
    this.#deps.report({
      type: "ended",
      id,
      positionBytes,
      link: this.#link,
      ...(failure === undefined ? {} : { fault: toFault(failure) }),
      ...(this.#needsTicket ? { needsTicket: true } : {}),
    });
  }

  /** Returns what went wrong first; what has arrived is written in any case. */
  async #fetchInto(file: ShardFile): Promise<unknown> {
    let failure: unknown;
    try {
      await this.#fetchAll(file);
    } catch (error) {
      failure = error;
    }
    try {
      await file.flush();
    } catch (error) {
      // A full disk explains a broken stream, not the other way round.
      return error;
    }
    return failure;
  }

  /** A link that breaks goes to the end of the line. Who has brought nothing over any link is not asked again. */
  async #fetchAll(file: ShardFile): Promise<void> {
    let addresses = this.#order.addresses;
    let fruitless = 0;
    for (let broken = 0; ; ) {
      const before = file.receivedBytes;
      const { connection, isUsed } = await this.#connect(addresses);
      try {
        return await this.#ask(connection, file);
      } catch (error) {
        if (!isBreak(error, addresses.length)) throw error;
        const hasMoved = file.receivedBytes > before;
        // A connection that rested may have been closed by the peer at this very moment: that says nothing about the link.
        if (isUsed && !hasMoved) continue;
        broken += 1;
        fruitless = hasMoved ? 0 : fruitless + 1;
        if (fruitless >= addresses.length || broken > addresses.length + MORE_TRIES) throw error;
        addresses = behind(addresses, connection.address);
      }
    }
  }

  async #connect(addresses: readonly LaneAddress[]) {
    const { signal } = this.#abort;
    const { deadlines, connections } = this.#deps;
    const { certificateSha256 } = this.#order;
    signal.throwIfAborted();
    const taken = await connections.take(addresses, { deadlines, certificateSha256, signal });
    if (signal.aborted) taken.connection.close(toSwarmError(signal.reason, "INTERRUPTED"));
    signal.throwIfAborted();
    this.#connection = taken.connection;
    this.#link = taken.connection.address.link;
    return taken;
  }

  async #ask(connection: LaneConnection, file: ShardFile): Promise<void> {
    const { head, text } = await this.#exchange(connection, file);
    this.#connection = undefined;
    this.#deps.connections.give(connection, this.#order.certificateSha256);
    if (head.status === 200 || head.status === 206) return;
    this.#needsTicket = head.status === 401;
    throw toRefusal({ head, text });
  }

  async #exchange(connection: LaneConnection, file: ShardFile): Promise<Exchange> {
    const stopWatching = this.#deps.connections.watch(connection, this.#order.addresses);
    try {
      return await connection.exchange(this.#request(connection, file), this.#taker(file));
    } finally {
      stopWatching();
    }
  }

  #request({ address }: LaneConnection, file: ShardFile): string {
    const { blob, ticket, endBytes } = this.#order;
    const host = address.host.includes(":") ? `[${address.host}]` : address.host;
    return [
      `GET /blobs/${blob} HTTP/1.1`,
      `Host: ${host}:${address.port}`,
      `Authorization: Bearer ${ticket}`,
      `Range: bytes=${file.receivedBytes}-${endBytes - 1}`,
      "\r\n",
    ].join("\r\n");
  }

  #taker(file: ShardFile): BodyTaker {
    const { endBytes, sizeBytes } = this.#order;
    return {
      begin(head) {
        const wanted = { startBytes: file.receivedBytes, endBytes, sizeBytes };
        if (!isAnswerTo(head, wanted)) {
          throw new SwarmError("PEER_FAULT", "a peer answered with another range than it was asked for");
        }
      },
      target: () => file.target(),
      take: (bytes) => file.take(bytes),
    };
  }
}

function isAnswerTo(head: ResponseHead, wanted: NonNullable<ResponseHead["range"]>): boolean {
  const { startBytes, endBytes, sizeBytes } = wanted;
  const { status, range, lengthBytes } = head;
  return (
    status === 206 &&
    lengthBytes === endBytes - startBytes &&
    range?.startBytes === startBytes &&
    range.endBytes === endBytes &&
    range.sizeBytes === sizeBytes
  );
}

/** Whether another connection may help. Who stalls is waited for only once per link: the engine has better to do. */
function isBreak(error: unknown, links: number): boolean {
  const { code } = toSwarmError(error);
  return code === "PEER_UNREACHABLE" || (code === "PEER_STALLED" && links > 1);
}

function behind(addresses: readonly LaneAddress[], last: LaneAddress): readonly LaneAddress[] {
  return [...addresses.filter((address) => address !== last), last];
}

const CODES = {
  401: "PEER_DENIED",
  403: "PEER_DENIED",
  404: "PEER_LACKS",
  409: "PEER_TAINTED",
  429: "PEER_BUSY",
  503: "PEER_BUSY",
} as const;

/** What a peer's refusal means. Its text is shown, its redirect followed, and neither is believed. */
function toRefusal({ head, text }: Exchange): SwarmError {
  const { status, retryAfterMs } = head;
  const body = parseRefusal(text);
  const code = CODES[status as keyof typeof CODES] ?? "PEER_FAULT";
  return new SwarmError(code, `a peer refused (${status}): ${body.message}`, {
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(body.redirect.length === 0 ? {} : { redirect: body.redirect }),
  });
}

function parseRefusal(text: string): { readonly message: string; readonly redirect: readonly NodeId[] } {
  try {
    const { message, redirect } = JSON.parse(text) as { message?: unknown; redirect?: unknown };
    const names: unknown[] = Array.isArray(redirect) ? redirect.slice(0, MOST_REDIRECTS) : [];
    return {
      message: typeof message === "string" ? message.slice(0, 500) : "no reason given",
      redirect: names.filter((name) => typeof name === "string").map(parseNodeId),
    };
  } catch {
    return { message: "no reason given", redirect: [] };
  }
}
