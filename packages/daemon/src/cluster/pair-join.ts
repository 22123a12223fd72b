/** The other side of pairing: a node that was told a code goes to the one that made it. */
import { connect, type Socket } from "node:net";
import { type NodeId, SwarmError } from "@swarmd/protocol";
import {
  decodeGrant,
  encodeMember,
  fromMemberRefusal,
  type Grant,
  PAIRING_VERSION,
  type WireMember,
} from "@swarmd/protocol/wire";
import type { PairCode } from "./pair-code.js";
import { seal, startLogin, unseal } from "./pair-exchange.js";
import { PairSocket } from "./pair-socket.js";
import type { PairAddress } from "./ports.js";

export interface Joined {
  readonly grant: Grant;
  readonly inviter: NodeId;
  /** The inviter's address, as it was reached. */
  readonly host: string;
}

const CONNECT_MS = 3_000;
const TALK_MS = 20_000;

/**
 * Pairs with the node at one address.
 *
 * @throws SwarmError ACCESS_DENIED when the code is wrong there; PEER_LACKS when another invitation, or none, is open there;
 *   PEER_UNREACHABLE, PEER_STALLED, PEER_FAULT
 */
export async function joinAt(
  address: PairAddress,
  code: PairCode,
  self: WireMember,
  options: { readonly signal: AbortSignal },
): Promise<Joined> {
  const socket = await open(address, options.signal);
  const talk = new PairSocket(socket, AbortSignal.any([options.signal, AbortSignal.timeout(TALK_MS)]));
  const where = `the node at ${address.host}:${address.port}`;
  try {
    const turn = await startLogin(code.secret);
    talk.write({ type: "hello", version: PAIRING_VERSION, tag: code.tag, nodeId: self.id, login: turn.login });
    const challenge = await talk.read();
    if (challenge.type === "refusal") throw fromMemberRefusal(challenge, where);
    if (challenge.type !== "challenge") throw new SwarmError("PEER_FAULT", `${where} does not pair`);
    const { nodeId: inviter, triesLeft } = challenge;
    const finished = turn.finish({ inviter, joiner: self.id }, challenge.login);
    if (finished === undefined) throw wrongCode(triesLeft);
    const { login, keys } = finished;
    talk.write({ type: "proof", login, sealed: seal(keys.toInviter, encodeMember(self)) });
    const answer = await talk.read();
    if (answer.type === "refusal") throw fromMemberRefusal(answer, where);
    if (answer.type !== "grant") throw new SwarmError("PEER_FAULT", `${where} broke off`);
    return { grant: decodeGrant(unseal(keys.toJoiner, answer.sealed)), inviter, host: hostOf(socket) };
  } finally {
    talk.close();
  }
}

/** From here a mistyped code and somebody who only pretends to know it look the same. */
function wrongCode(triesLeft: number): SwarmError {
  const left =
    triesLeft === 0 ? "that was the last try" : `${triesLeft} ${triesLeft === 1 ? "try is" : "tries are"} left`;
  return new SwarmError("ACCESS_DENIED", `the code is wrong; ${left}`, {
    hint: triesLeft === 0 ? "Make a new one with swarm cluster invite." : "Look at it again, and type it once more.",
  });
}

function open({ host, port }: PairAddress, signal: AbortSignal): Promise<Socket> {
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_MS)]);
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    const onFailure = (cause: Error) => {
      socket.destroy();
      const message = `nobody answers at ${host}:${port}: ${deadline.aborted ? "no answer in time" : cause.message}`;
      reject(new SwarmError("PEER_UNREACHABLE", message, { cause }));
    };
    const onAbort = () => onFailure(new Error("no answer in time"));
    deadline.addEventListener("abort", onAbort, { once: true });
    socket.once("error", onFailure);
    socket.once("connect", () => {
      deadline.removeEventListener("abort", onAbort);
      socket.off("error", onFailure);
      resolve(socket);
    });
  });
}

/** Where the other side was reached, as an IP address; IPv4 in its own form. */
function hostOf(socket: Socket): string {
  return (socket.remoteAddress ?? "").replace(/^::ffff:/i, "");
}
