/** Questions between two peers: one question and one answer a stream, both small and soon. */
import type { Stream } from "@libp2p/interface";
import { type BlobId, type NodeId, SwarmError, toSwarmError } from "@swarmd/protocol";
import {
  CONTROL_BYTES_MAX,
  CONTROL_PROTOCOL,
  type ControlRequest,
  type ControlResponse,
  decodeControlRequest,
  decodeControlResponse,
  encodeControlRequest,
  encodeControlResponse,
  type LaneTicket,
} from "@swarmd/protocol/wire";
import { messagesOf, readMessage, toPeerError, withStream } from "./bounded.js";
import type { TicketOffice, TicketTerms } from "./ports.js";

export interface ControlDeps {
  readonly openStream: (peer: NodeId, protocol: string, options: { signal: AbortSignal }) => Promise<Stream>;
  readonly tickets: TicketOffice;
}

export interface TicketOptions extends TicketTerms {
  readonly signal: AbortSignal;
}

const ANSWER_MS = 5_000;
const QUESTION_MS = 5_000;

export class Control {
  readonly #deps: ControlDeps;
  readonly #stopped = new AbortController();

  constructor(deps: ControlDeps) {
    this.#deps = deps;
  }

  stop(): void {
    this.#stopped.abort();
  }

  /**
   * Asks a peer for a ticket to its direct lane.
   *
   * @param options `encrypted`: a ticket to a lane in the clear is a fault
   * @throws SwarmError PEER_DENIED, PEER_LACKS, PEER_BUSY as the peer said; PEER_UNREACHABLE, PEER_STALLED, PEER_FAULT, INTERRUPTED
   */
  async ticket(peer: NodeId, blob: BlobId, options: TicketOptions): Promise<LaneTicket> {
    const { signal, encrypted, hasAccess } = options;
    const response = await this.#ask(peer, { type: "ticket", blob, encrypted, hasAccess }, signal);
    if (response.type === "ticket") {
      if (!encrypted || response.ticket.certificateSha256 !== undefined) return response.ticket;
      throw new SwarmError("PEER_FAULT", `${peer} would send ${blob} in the clear`);
    }
    const { code, message, retryAfterMs, redirect } = response.refusal;
    throw new SwarmError(code, `${peer} gives no ticket for ${blob}: ${message}`, {
      redirect,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    });
  }

  /** Takes a stream that a peer opened. @throws whatever cuts the stream */
  async take(peer: NodeId, stream: Stream): Promise<void> {
    const signal = AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(QUESTION_MS + ANSWER_MS)]);
    await withStream(stream, signal, async () => {
      const messages = messagesOf(stream, CONTROL_BYTES_MAX);
      const question = AbortSignal.any([signal, AbortSignal.timeout(QUESTION_MS)]);
      const request = decodeControlRequest(await readMessage(messages, question));
      await messages.write(encodeControlResponse(await this.#answer(peer, request)), { signal });
    });
  }

  async #ask(peer: NodeId, request: ControlRequest, outer: AbortSignal): Promise<ControlResponse> {
    const signal = AbortSignal.any([outer, this.#stopped.signal, AbortSignal.timeout(ANSWER_MS)]);
    try {
      const stream = await this.#deps.openStream(peer, CONTROL_PROTOCOL, { signal });
      return await withStream(stream, signal, async () => {
        const messages = messagesOf(stream, CONTROL_BYTES_MAX);
        await messages.write(encodeControlRequest(request), { signal });
        return decodeControlResponse(await readMessage(messages, signal));
      });
    } catch (error) {
      throw toPeerError(error, `asking ${peer} for a ${request.type}`, signal, outer);
    }
  }

  async #answer(peer: NodeId, { blob, encrypted, hasAccess }: ControlRequest): Promise<ControlResponse> {
    try {
      const ticket = await this.#deps.tickets.issue(peer, blob, { encrypted, hasAccess });
      return { type: "ticket", ticket };
    } catch (error) {
      const { code, message, retryAfterMs, redirect = [] } = toSwarmError(error);
      const delay = retryAfterMs === undefined ? {} : { retryAfterMs };
      // What went wrong in here is nobody else's business.
      if (!code.startsWith("PEER_"))
        return refusal({ code: "PEER_BUSY", message: "no ticket now", redirect, ...delay });
      return refusal({ code, message, redirect, ...delay });
    }
  }
}

function refusal(body: Extract<ControlResponse, { type: "refusal" }>["refusal"]): ControlResponse {
  return { type: "refusal", refusal: body };
}
