/** Questions between peers about copies: who keeps what when room is made, who takes one. One question and one answer a stream. */
import type { Stream } from "@libp2p/interface";
import type { NodeId } from "@swarmd/protocol";
import {
  COPIES_BYTES_MAX,
  COPIES_PROTOCOL,
  type CopiesRequest,
  type CopiesResponse,
  decodeCopiesRequest,
  decodeCopiesResponse,
  encodeCopiesRequest,
  encodeCopiesResponse,
} from "@swarmd/protocol/wire";
import { messagesOf, readMessage, toPeerError, withStream } from "./bounded.js";

export interface CopiesTalkDeps {
  readonly openStream: (peer: NodeId, protocol: string, options: { signal: AbortSignal }) => Promise<Stream>;
  readonly answer: (peer: NodeId, request: CopiesRequest) => Promise<CopiesResponse>;
}

/** A pull waits meanwhile. */
const ANSWER_MS = 3_000;

export class CopiesTalk {
  readonly #deps: CopiesTalkDeps;
  readonly #stopped = new AbortController();

  constructor(deps: CopiesTalkDeps) {
    this.#deps = deps;
  }

  stop(): void {
    this.#stopped.abort();
  }

  /** @throws SwarmError PEER_UNREACHABLE, PEER_STALLED, PEER_FAULT, INTERRUPTED */
  async ask(
    peer: NodeId,
    request: CopiesRequest,
    { signal: outer }: { readonly signal: AbortSignal },
  ): Promise<CopiesResponse> {
    const signal = AbortSignal.any([outer, this.#stopped.signal, AbortSignal.timeout(ANSWER_MS)]);
    try {
      const stream = await this.#deps.openStream(peer, COPIES_PROTOCOL, { signal });
      return await withStream(stream, signal, async () => {
        const messages = messagesOf(stream, COPIES_BYTES_MAX);
        await messages.write(encodeCopiesRequest(request), { signal });
        return decodeCopiesResponse(await readMessage(messages, signal));
      });
    } catch (error) {
      throw toPeerError(error, `asking ${peer} about copies`, signal, outer);
    }
  }

  /** Takes a stream that a peer opened. @throws whatever cuts the stream */
  readonly take = async (peer: NodeId, stream: Stream): Promise<void> => {
    const signal = AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(2 * ANSWER_MS)]);
    await withStream(stream, signal, async () => {
      const messages = messagesOf(stream, COPIES_BYTES_MAX);
      const request = decodeCopiesRequest(await readMessage(messages, signal));
      await messages.write(encodeCopiesResponse(await this.#deps.answer(peer, request)), { signal });
    });
  };
}
