/** Tickets, asked for and given: one question and one answer, both small and soon. */
import { type BlobId, type NodeId, SwarmError, toSwarmError } from "@swarmd/protocol";
import {
  type ControlRequest,
  type ControlResponse,
  decodeControlRequest,
  decodeControlResponse,
  encodeControlRequest,
  encodeControlResponse,
  type LaneTicket,
} from "@swarmd/protocol/wire";
import { toPeerError } from "./bounded.js";
import type { TicketOffice, TicketTerms } from "./ports.js";
import type { TalkDesk, Talks } from "./talks.js";

export interface ControlDeps {
  readonly talks: Pick<Talks, "ask">;
  readonly tickets: TicketOffice;
}

export interface TicketOptions extends TicketTerms {
  readonly signal: AbortSignal;
}

const ANSWER_MS = 5_000;

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

  /** Answers a peer. @throws SwarmError PEER_FAULT */
  readonly answer: TalkDesk = async (peer, question, answer) => {
    await answer(encodeControlResponse(await this.#answer(peer, decodeControlRequest(question))));
  };

  async #ask(peer: NodeId, request: ControlRequest, outer: AbortSignal): Promise<ControlResponse> {
    const signal = AbortSignal.any([outer, this.#stopped.signal, AbortSignal.timeout(ANSWER_MS)]);
    try {
      const question = encodeControlRequest(request);
      return await this.#deps.talks.ask(peer, { topic: "ticket", question, answers: 1 }, { signal }, async (answers) =>
        decodeControlResponse(await answers.next()),
      );
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
