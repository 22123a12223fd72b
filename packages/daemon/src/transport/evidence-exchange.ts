/**
 * What shards rest on, asked for and told over streams: one question each, and an answer per shard as soon as there is one. Nobody asks
 * twice: a question about a shard in progress stays open until it is checked over there.
 */
import type { Stream } from "@libp2p/interface";
import { type BlobId, type NodeId, SwarmError } from "@swarmd/protocol";
import {
  decodeEvidenceAnswer,
  decodeEvidenceRequest,
  EVIDENCE_ANSWER_BYTES_MAX,
  EVIDENCE_PROTOCOL,
  EVIDENCE_QUESTION_BYTES_MAX,
  type EvidenceAnswer,
  type EvidenceRequest,
  encodeEvidenceAnswer,
  encodeEvidenceRequest,
} from "@swarmd/protocol/wire";
import { messagesOf, readMessage, toPeerError, withStream } from "./bounded.js";

/** Answers questions; the serve room has one. */
export interface EvidenceDesk {
  /**
   * Gives each shard's answer when there is one.
   *
   * @throws SwarmError when the peer may not know: it learns no more than that
   */
  answers(
    peer: NodeId,
    request: EvidenceRequest,
    options: { readonly signal: AbortSignal },
  ): AsyncIterable<EvidenceAnswer>;
}

export interface EvidenceExchangeDeps {
  readonly openStream: (peer: NodeId, protocol: string, options: { signal: AbortSignal }) => Promise<Stream>;
  readonly desk: EvidenceDesk;
}

const QUESTION_MS = 5_000;
const ANSWER_WRITE_MS = 5_000;
/** A shard that takes longer than this to arrive over there is asked for again, or of somebody else. */
const OPEN_MS = 10 * 60_000;

export class EvidenceExchange {
  readonly #deps: EvidenceExchangeDeps;
  readonly #stopped = new AbortController();

  constructor(deps: EvidenceExchangeDeps) {
    this.#deps = deps;
  }

  stop(): void {
    this.#stopped.abort();
  }

  /**
   * Asks a peer what one shard rests on; waits for as long as the shard is in progress there.
   *
   * @throws SwarmError PEER_UNREACHABLE, PEER_STALLED, PEER_FAULT, INTERRUPTED
   */
  async ask(
    peer: NodeId,
    about: {
      readonly blob: BlobId;
      readonly sizeBytes: number;
      readonly shardBytes: number;
      readonly shard: number;
      readonly root?: Uint8Array | undefined;
    },
    { signal: outer }: { readonly signal: AbortSignal },
  ): Promise<EvidenceAnswer> {
    const { blob, sizeBytes, shardBytes, shard, root } = about;
    const signal = AbortSignal.any([outer, this.#stopped.signal, AbortSignal.timeout(OPEN_MS)]);
    try {
      const stream = await this.#deps.openStream(peer, EVIDENCE_PROTOCOL, { signal });
      return await withStream(stream, signal, async () => {
        const messages = messagesOf(stream, EVIDENCE_ANSWER_BYTES_MAX);
        await messages.write(encodeEvidenceRequest({ blob, sizeBytes, shardBytes, shards: [shard], root }), {
          signal,
        });
        const answer = decodeEvidenceAnswer(await readMessage(messages, signal));
        if (answer.shard === shard) return answer;
        throw new SwarmError("PEER_FAULT", `${peer} has evidence for shard ${answer.shard}, not for ${shard}`);
      });
    } catch (error) {
      throw toPeerError(error, `asking ${peer} for evidence`, signal, outer);
    }
  }

  /**
   * Asks a peer for several things at once; tells of each shard as its answer comes, and resolves after the last.
   *
   * @throws SwarmError PEER_UNREACHABLE, PEER_STALLED, PEER_FAULT, INTERRUPTED
   */
  async askMany(
    peer: NodeId,
    request: EvidenceRequest,
    onAnswer: (answer: EvidenceAnswer) => void,
    { signal: outer }: { readonly signal: AbortSignal },
  ): Promise<void> {
    const signal = AbortSignal.any([outer, this.#stopped.signal]);
    try {
      const stream = await this.#deps.openStream(peer, EVIDENCE_PROTOCOL, { signal });
      await withStream(stream, signal, async () => {
        const messages = messagesOf(stream, EVIDENCE_ANSWER_BYTES_MAX);
        await messages.write(encodeEvidenceRequest(request), { signal });
        const left = new Set(request.shards);
        while (left.size > 0) {
          const answer = decodeEvidenceAnswer(await readMessage(messages, signal));
          if (!left.delete(answer.shard)) throw new SwarmError("PEER_FAULT", `nobody asked for shard ${answer.shard}`);
          onAnswer(answer);
        }
      });
    } catch (error) {
      throw toPeerError(error, `asking ${peer} for proofs`, signal, outer);
    }
  }

  /** Takes a stream that a peer opened. @throws whatever cuts the stream */
  async take(peer: NodeId, stream: Stream): Promise<void> {
    const gone = new AbortController();
    const signal = AbortSignal.any([this.#stopped.signal, gone.signal, AbortSignal.timeout(OPEN_MS)]);
    await withStream(stream, signal, async () => {
      const messages = messagesOf(stream, EVIDENCE_QUESTION_BYTES_MAX);
      const question = AbortSignal.any([signal, AbortSignal.timeout(QUESTION_MS)]);
      const request = decodeEvidenceRequest(await readMessage(messages, question));
      // Nothing more is said: this ends when the peer wants no more, or is gone.
      void messages.read().then(
        () => gone.abort(),
        () => gone.abort(),
      );
      for await (const answer of this.#deps.desk.answers(peer, request, { signal })) {
        const write = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_WRITE_MS)]);
        await messages.write(encodeEvidenceAnswer(answer), { signal: write });
      }
    });
  }
}
