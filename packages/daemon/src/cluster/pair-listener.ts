/** Where nodes that have a code come in: a TCP port that is open only while the code is good. */
import { createServer, type Server, type Socket } from "node:net";
import { type NodeId, SwarmError, toSwarmError } from "@swarmd/protocol";
import {
  decodeMember,
  encodeGrant,
  type Grant,
  PAIRING_VERSION,
  type PairFrame,
  type WireMember,
} from "@swarmd/protocol/wire";
import type { Logger } from "../observe/logger.js";
import type { Invitation } from "./invitation.js";
import { answerLogin, seal, unseal } from "./pair-exchange.js";
import { PairSocket } from "./pair-socket.js";

export interface PairListenerOptions {
  /** Taken if it is free, else any. */
  readonly port: number;
  readonly self: NodeId;
  /** A connection that has not said hello by then is cut. */
  readonly helloMs?: number;
  /** From hello to the end. */
  readonly talkMs?: number;
}

export interface PairListenerDeps {
  readonly invitation: Invitation;
  /** What is handed to who knows the code. */
  readonly grant: () => Promise<Grant>;
  /** Somebody was let in. */
  readonly onAdmitted: (member: WireMember) => void;
  /** The last try is spent. */
  readonly onVoid: () => void;
  readonly nowMs: () => number;
  readonly logger: Logger;
}

/** More wait for TCP to try again: one person types one code at a time. */
const CONNECTIONS_MAX = 8;
const HELLO_MS = 5_000;
/** The other side stretches its key, perhaps on a slow machine. */
const TALK_MS = 15_000;

export class PairListener {
  readonly #options: PairListenerOptions;
  readonly #deps: PairListenerDeps;
  readonly #server: Server;
  readonly #stopped = new AbortController();
  readonly #sockets = new Set<Socket>();

  constructor(options: PairListenerOptions, deps: PairListenerDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
      void this.#talk(socket);
    });
    this.#server.maxConnections = CONNECTIONS_MAX;
  }

  /** @returns the port it listens on. @throws SwarmError ADDRESS_IN_USE */
  async start(): Promise<number> {
    try {
      return await listen(this.#server, this.#options.port);
    } catch (error) {
      if (toSwarmError(error).code !== "ADDRESS_IN_USE" || this.#options.port === 0) throw error;
      return listen(this.#server, 0);
    }
  }

  /** What is under way is cut. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  /** Never rejects. Whatever is not a conversation ends here, and costs no try. */
  async #talk(socket: Socket): Promise<void> {
    const { helloMs = HELLO_MS, talkMs = TALK_MS } = this.#options;
    const deadline = new AbortController();
    let timer = setTimeout(() => deadline.abort(), helloMs);
    const talk = new PairSocket(socket, AbortSignal.any([deadline.signal, this.#stopped.signal]));
    try {
      const hello = await talk.read();
      clearTimeout(timer);
      timer = setTimeout(() => deadline.abort(), talkMs);
      await this.#pair(talk, hello);
    } catch (error) {
      this.#deps.logger.debug({ why: toSwarmError(error).message, from: socket.remoteAddress }, "a pairing broke off");
      talk.close();
    } finally {
      clearTimeout(timer);
    }
  }

  async #pair(talk: PairSocket, hello: PairFrame): Promise<void> {
    const { invitation, nowMs, logger } = this.#deps;
    if (hello.type !== "hello") throw new SwarmError("PEER_FAULT", "a conversation that does not begin with hello");
    if (hello.version !== PAIRING_VERSION) {
      return talk.end(refusal("PEER_FAULT", `this node pairs by version ${PAIRING_VERSION}`));
    }
    if (hello.tag !== invitation.code.tag)
      return talk.end(refusal("PEER_LACKS", "no invitation with this code is open"));
    if (!invitation.take(nowMs())) {
      const isBusy = invitation.isOpen(nowMs());
      return talk.end(
        isBusy
          ? refusal("PEER_BUSY", "others are trying codes; try again in a moment")
          : refusal("ACCESS_DENIED", "the invitation is void; make a new code"),
      );
    }
    const keys = await this.#exchange(talk, hello);
    if (keys === undefined) {
      logger.warn({ from: hello.nodeId, triesLeft: invitation.triesLeft }, "a wrong code, or somebody in between");
      return;
    }
    const member = decodeMember(unseal(keys.toInviter, keys.sealed));
    talk.end({ type: "grant", sealed: seal(keys.toJoiner, encodeGrant(await this.#deps.grant())) });
    // By the name that is bound into the key, whatever the member calls itself.
    this.#deps.onAdmitted({ ...member, id: hello.nodeId });
  }

  /** `undefined` when the other side does not know the code; the try stays spent. */
  async #exchange(talk: PairSocket, hello: Extract<PairFrame, { type: "hello" }>) {
    const { invitation, onVoid, nowMs } = this.#deps;
    const { self } = this.#options;
    try {
      const turn = await answerLogin(invitation.code.secret, { inviter: self, joiner: hello.nodeId }, hello.login);
      const { triesLeft } = invitation;
      talk.write({ type: "challenge", nodeId: self, login: turn.challenge, triesLeft });
      const proof = await talk.read();
      const keys = proof.type === "proof" ? turn.finish(proof.login) : undefined;
      if (proof.type === "proof" && keys !== undefined) {
        invitation.right();
        return { ...keys, sealed: proof.sealed };
      }
      talk.end(refusal("ACCESS_DENIED", "the code is wrong"));
    } catch (error) {
      // Who finds out by itself that its code is wrong just leaves.
      this.#deps.logger.debug({ why: toSwarmError(error).message }, "a pairing ended without a proof");
      talk.close();
    }
    invitation.wrong();
    if (!invitation.isOpen(nowMs())) onVoid();
    return undefined;
  }
}

function refusal(code: "PEER_FAULT" | "PEER_LACKS" | "PEER_BUSY" | "ACCESS_DENIED", message: string): PairFrame {
  return { type: "refusal", code, message };
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const onError = (cause: NodeJS.ErrnoException) => {
      const code = cause.code === "EADDRINUSE" ? "ADDRESS_IN_USE" : "INTERNAL";
      reject(new SwarmError(code, `the pairing port can't be opened: ${cause.message}`, { cause }));
    };
    server.once("error", onError);
    server.listen({ port }, () => {
      server.off("error", onError);
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : port);
    });
  });
}
