/**
 * What shards rest on, asked for and told: an answer per shard as soon as there is one. Nobody asks twice: a question about a shard in progress
 * stays open until it is checked over there.
 */
import { type BlobId, type NodeId, SwarmError } from "@swarmd/protocol";
import {
  decodeEvidenceAnswer,
  decodeEvidenceRequest,
  type EvidenceAnswer,
  type EvidenceRequest,
  encodeEvidenceAnswer,
  encodeEvidenceRequest,
} from "@swarmd/protocol/wire";
import { toPeerError } from "./bounded.js";
import type { TalkDesk, Talks } from "./talks.js";

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
  readonly talks: Pick<Talks, "ask">;
  readonly desk: EvidenceDesk;
}

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
      const question = encodeEvidenceRequest({ blob, sizeBytes, shardBytes, shards: [shard], root });
      return await this.#deps.talks.ask(
        peer,
        { topic: "evidence", question, answers: 1 },
        { signal },
        async (answers) => {
          const answer = decodeEvidenceAnswer(await answers.next());
          if (answer.shard === shard) return answer;
          throw new SwarmError("PEER_FAULT", `${peer} has evidence for shard ${answer.shard}, not for ${shard}`);
        },
      );
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
      const question = encodeEvidenceRequest(request);
      const left = new Set(request.shards);
      await this.#deps.talks.ask(
        peer,
        { topic: "evidence", question, answers: left.size },
        { signal },
        async (answers) => {
          while (left.size > 0) {
            const answer = decodeEvidenceAnswer(await answers.next());
            if (!left.delete(answer.shard))
              throw new SwarmError("PEER_FAULT", `nobody asked for shard ${answer.shard}`);
            onAnswer(answer);
          }
        },
      );
    } catch (error) {
      throw toPeerError(error, `asking ${peer} for proofs`, signal, outer);
    }
  }

  /** Answers a peer. @throws SwarmError PEER_FAULT, and what the desk throws */
  readonly answer: TalkDesk = async (peer, question, answer, { signal }) => {
    const request = decodeEvidenceRequest(question);
    for await (const one of this.#deps.desk.answers(peer, request, { signal })) await answer(encodeEvidenceAnswer(one));
  };
}
