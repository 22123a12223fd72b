/**
 * The lane over a stream of the libp2p connection, for peers that can be reached in no other way: the same questions and refusals as on
 * the direct lane, the same handler behind it; slower, and no second port.
 *
 * A stream carries one request: a question, an answer, then the bytes in messages of up to 64 KiB, as they become available. An empty
 * message says that no more bytes come, and that the next message is a refusal with the reason.
 */
import type { Stream } from "@libp2p/interface";
import { type BlobId, type NodeId, SwarmError, toSwarmError } from "@swarmd/protocol";
import {
  CONTROL_BYTES_MAX,
  decodeShardAnswer,
  decodeShardRequest,
  encodeShardAnswer,
  encodeShardRequest,
  SHARD_MESSAGE_BYTES_MAX,
  SHARD_PROTOCOL,
} from "@swarmd/protocol/wire";
import { type MessageStream, messagesOf, readMessage, toPeerError, withStream } from "../bounded.js";
import type { LaneHandler, LaneOutlet, LaneService, RefusalCode } from "./ports.js";

/** Takes bytes in order. The transfer room's port of the same name. */
export interface ByteSink {
  write(chunk: Uint8Array): Promise<void> | undefined;
}

export interface Libp2pLaneDeps {
  readonly openStream: (peer: NodeId, protocol: string, options: { signal: AbortSignal }) => Promise<Stream>;
  readonly handler: LaneHandler;
}

export interface Libp2pLaneOptions {
  /** The other side says nothing, or takes nothing, for so long: it is cut off. */
  readonly idleMs: number;
  /** For one request in all. */
  readonly totalMs: number;
}

export const LIBP2P_LANE_DEFAULTS: Libp2pLaneOptions = { idleMs: 30_000, totalMs: 15 * 60_000 };

const BROKEN_OFF = new Uint8Array(0);

/** Aborts when the asker closes its stream: after its question it has no more to say, so that whatever comes tells that it left. */
function leaving(messages: MessageStream, total: AbortSignal): AbortSignal {
  const gone = new AbortController();
  const leave = () => gone.abort(new SwarmError("INTERRUPTED", "the peer left"));
  readMessage(messages, total).then(leave, leave);
  return gone.signal;
}

export class Libp2pLane {
  readonly name = "libp2p-lane";
  readonly #options: Libp2pLaneOptions;
  readonly #deps: Libp2pLaneDeps;
  readonly #stopped = new AbortController();

  constructor(options: Libp2pLaneOptions, deps: Libp2pLaneDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /** For the network's `handlers`, under SHARD_PROTOCOL. @throws whatever cuts the stream */
  readonly take = async (peer: NodeId, stream: Stream): Promise<void> => {
    const total = AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(this.#options.totalMs)]);
    await withStream(stream, total, async () => {
      const messages = messagesOf(stream, CONTROL_BYTES_MAX);
      const { blob, startBytes, endBytes } = decodeShardRequest(await readMessage(messages, this.#idle(total)));
      const signal = AbortSignal.any([total, leaving(messages, total)]);
      const answer = await this.#deps.handler.handle({ peer, blob, startBytes, endBytes }, { signal });
      if (answer.kind === "serve") return this.#serve(messages, answer, total, signal);
      const { kind: _, sizeBytes: __, ...refusal } = answer;
      await messages.write(encodeShardAnswer({ type: "refusal", refusal }), { signal: this.#idle(total) });
    });
  };

  /** What one peer serves; the transfer room's `RangeSource`. */
  source(peer: NodeId) {
    return {
      read: (
        blob: BlobId,
        startBytes: number,
        endBytes: number,
        sink: ByteSink,
        { signal }: { readonly signal: AbortSignal },
      ) => this.#fetch(peer, { blob, startBytes, endBytes }, sink, signal),
    };
  }

  /** Cuts every stream. */
  async stop(): Promise<void> {
    this.#stopped.abort(new SwarmError("INTERRUPTED", "the node is stopping"));
  }

  /** @param left aborts when the asker is gone, also while there is nothing to send. */
  async #serve(messages: MessageStream, service: LaneService, total: AbortSignal, left: AbortSignal): Promise<void> {
    const { sizeBytes, startBytes, endBytes } = service;
    const outlet: LaneOutlet = {
      // A copy (a Buffer's `slice` is none): the muxer keeps it until the socket takes it, and the caller writes into the chunk again.
      write: (chunk) => this.#write(messages, new Uint8Array(chunk), total),
    };
    // A service must be sent, even to nobody: only then is its upload slot free again.
    const gone = new AbortController();
    const signal = AbortSignal.any([left, gone.signal]);
    await messages
      .write(encodeShardAnswer({ type: "bytes", sizeBytes, startBytes, endBytes }), { signal: this.#idle(total) })
      .catch((error: unknown) => gone.abort(toPeerError(error, "answering a peer", total)));
    try {
      await service.send(outlet, { signal });
    } catch (error) {
      const { code, message, redirect = [] } = toSwarmError(error);
      if (!isRefusal(code)) throw error;
      const refusal = encodeShardAnswer({ type: "refusal", refusal: { code, message, redirect } });
      await messages.writeV([BROKEN_OFF, refusal], { signal: this.#idle(total) });
    }
  }

  async #write(messages: MessageStream, bytes: Uint8Array, total: AbortSignal): Promise<void> {
    for (let at = 0; at < bytes.length; at += SHARD_MESSAGE_BYTES_MAX) {
      const signal = this.#idle(total);
      await messages.write(bytes.subarray(at, at + SHARD_MESSAGE_BYTES_MAX), { signal }).catch((error: unknown) => {
        throw toPeerError(error, "sending to a peer", signal, total);
      });
    }
  }

  async #fetch(
    peer: NodeId,
    range: { readonly blob: BlobId; readonly startBytes: number; readonly endBytes: number },
    sink: ByteSink,
    outer: AbortSignal,
  ): Promise<void> {
    const total = AbortSignal.any([outer, this.#stopped.signal, AbortSignal.timeout(this.#options.totalMs)]);
    try {
      const stream = await this.#deps.openStream(peer, SHARD_PROTOCOL, { signal: this.#idle(total) });
      await withStream(stream, total, async () => {
        const messages = messagesOf(stream, SHARD_MESSAGE_BYTES_MAX);
        await messages.write(encodeShardRequest(range), { signal: this.#idle(total) });
        await this.#expectAnswer(peer, messages, range, total);
        await this.#receive(peer, messages, range, sink, total);
      });
    } catch (error) {
      if (outer.aborted || this.#stopped.signal.aborted) throw interrupted(peer, error);
      throw toPeerError(error, `fetching from ${peer}`, total);
    }
  }

  async #expectAnswer(
    peer: NodeId,
    messages: MessageStream,
    { startBytes, endBytes }: { readonly startBytes: number; readonly endBytes: number },
    total: AbortSignal,
  ): Promise<void> {
    const answer = await this.#readAnswer(peer, messages, total);
    if (answer.startBytes !== startBytes || answer.endBytes !== endBytes) {
      throw new SwarmError("PEER_FAULT", `${peer} answered with another range than it was asked for`);
    }
  }

  async #receive(
    peer: NodeId,
    messages: MessageStream,
    { startBytes, endBytes }: { readonly startBytes: number; readonly endBytes: number },
    sink: ByteSink,
    total: AbortSignal,
  ): Promise<void> {
    for (let at = startBytes; at < endBytes; ) {
      const chunks = await this.#read(peer, messages, total, (list) => [...list]);
      for (const chunk of chunks) {
        at += chunk.length;
        if (at > endBytes) throw new SwarmError("PEER_FAULT", `${peer} sent more than it was asked for`);
        await sink.write(chunk);
      }
      if (chunks.length > 0) continue;
      await this.#readAnswer(peer, messages, total);
      throw new SwarmError("PEER_FAULT", `${peer} broke off without a reason`);
    }
  }

  /** @throws SwarmError as the peer says, if it refuses */
  async #readAnswer(peer: NodeId, messages: MessageStream, total: AbortSignal) {
    const answer = decodeShardAnswer(await this.#read(peer, messages, total, (list) => list.subarray()));
    if (answer.type === "bytes") return answer;
    const { code, message, redirect, retryAfterMs } = answer.refusal;
    const delay = retryAfterMs === undefined ? {} : { retryAfterMs };
    throw new SwarmError(code, `${peer} refused: ${message}`, { redirect, ...delay });
  }

  async #read<Value>(
    peer: NodeId,
    messages: MessageStream,
    total: AbortSignal,
    convert: (list: Awaited<ReturnType<MessageStream["read"]>>) => Value,
  ): Promise<Value> {
    const signal = this.#idle(total);
    try {
      return convert(await messages.read({ signal }));
    } catch (error) {
      throw toPeerError(error, `waiting for bytes of ${peer}`, signal);
    }
  }

  #idle(total: AbortSignal): AbortSignal {
    return AbortSignal.any([total, AbortSignal.timeout(this.#options.idleMs)]);
  }
}

function interrupted(peer: NodeId, cause: unknown): SwarmError {
  return new SwarmError("INTERRUPTED", `the transfer from ${peer} was stopped`, { cause });
}

/** What may end a request midway, and is told to the asker. */
function isRefusal(code: string): code is Exclude<RefusalCode, "PEER_FAULT"> {
  return code === "PEER_TAINTED" || code === "PEER_BUSY" || code === "PEER_LACKS" || code === "PEER_DENIED";
}
