/** Questions between members of a cluster: one question and one answer a stream. Only there where the key has let both in. */
import type { Stream } from "@libp2p/interface";
import { type NodeId, toSwarmError } from "@swarmd/protocol";
import {
  decodeMemberRequest,
  decodeMemberResponse,
  encodeMemberRequest,
  encodeMemberResponse,
  fromMemberRefusal,
  MEMBER_BYTES_MAX,
  MEMBER_PROTOCOL,
  type MemberRequest,
  type MemberResponse,
} from "@swarmd/protocol/wire";
import { messagesOf, readMessage, toPeerError, withStream } from "./bounded.js";

export interface MemberTalkDeps {
  readonly openStream: (peer: NodeId, protocol: string, options: { signal: AbortSignal }) => Promise<Stream>;
  /** @throws SwarmError PEER_*: the member is told */
  readonly answer: (peer: NodeId, request: MemberRequest) => Promise<MemberAnswer>;
}

/** The cluster room's shape of the same name. */
export interface MemberAnswer {
  readonly response: MemberResponse;
  /** Called once the answer is on its way. */
  readonly afterwards?: () => void;
}

const QUESTION_MS = 5_000;
/** Another member's file list may have to be read from disk. */
const ANSWER_MS = 15_000;

export class MemberTalk {
  readonly #deps: MemberTalkDeps;
  readonly #stopped = new AbortController();

  constructor(deps: MemberTalkDeps) {
    this.#deps = deps;
  }

  stop(): void {
    this.#stopped.abort();
  }

  /** @throws SwarmError PEER_* as the member said; PEER_UNREACHABLE, PEER_STALLED, PEER_FAULT, INTERRUPTED */
  async ask(
    peer: NodeId,
    request: MemberRequest,
    { signal: outer }: { readonly signal: AbortSignal },
  ): Promise<MemberResponse> {
    const signal = AbortSignal.any([outer, this.#stopped.signal, AbortSignal.timeout(ANSWER_MS)]);
    const what = `asking member ${peer} (${request.type})`;
    try {
      const stream = await this.#deps.openStream(peer, MEMBER_PROTOCOL, { signal });
      const response = await withStream(stream, signal, async () => {
        const messages = messagesOf(stream, MEMBER_BYTES_MAX);
        await messages.write(encodeMemberRequest(request), { signal });
        return decodeMemberResponse(await readMessage(messages, signal));
      });
      if (response.type === "refusal") throw fromMemberRefusal(response, what);
      return response;
    } catch (error) {
      throw toPeerError(error, what, signal, outer);
    }
  }

  /** Takes a stream that a member opened. @throws whatever cuts the stream */
  readonly take = async (peer: NodeId, stream: Stream): Promise<void> => {
    const signal = AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(QUESTION_MS + ANSWER_MS)]);
    let afterwards: MemberAnswer["afterwards"];
    try {
      await withStream(stream, signal, async () => {
        const messages = messagesOf(stream, MEMBER_BYTES_MAX);
        const question = AbortSignal.any([signal, AbortSignal.timeout(QUESTION_MS)]);
        const request = decodeMemberRequest(await readMessage(messages, question));
        const answer = await this.#answer(peer, request);
        ({ afterwards } = answer);
        await messages.write(encodeMemberResponse(answer.response), { signal });
      });
    } finally {
      afterwards?.();
    }
  };

  async #answer(peer: NodeId, request: MemberRequest): Promise<MemberAnswer> {
    try {
      return await this.#deps.answer(peer, request);
    } catch (error) {
      const { code, message } = toSwarmError(error);
      // What went wrong in here is nobody else's business.
      const isForThem = code.startsWith("PEER_");
      const said = isForThem ? { code, message } : { code: "PEER_BUSY" as const, message: "no answer now" };
      return { response: { type: "refusal", ...said } };
    }
  }
}
