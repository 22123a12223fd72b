/** From a code to the node that made it: over multicast, or at an address that the user gives. */
import { SwarmError, toSwarmError } from "@swarmd/protocol";
import type { WireMember } from "@swarmd/protocol/wire";
import { DEFAULT_PAIR_PORT } from "./desk.js";
import type { PairCode } from "./pair-code.js";
import { type Joined, joinAt } from "./pair-join.js";
import type { PairAddress, PairBeacon } from "./ports.js";

export interface InviterSearch {
  readonly code: PairCode;
  /** `--at`: HOST or HOST:PORT. */
  readonly at: string | undefined;
  readonly self: WireMember;
}

/** A node answers a multicast question within a moment; the question may get lost, and is asked again. */
const LOOK_MS = 10_000;

/** @throws SwarmError ACCESS_DENIED, NO_SOURCE, PEER_*, USAGE, INTERRUPTED */
export async function findInviter(
  { code, at, self }: InviterSearch,
  { beacon, signal }: { readonly beacon: PairBeacon; readonly signal: AbortSignal },
): Promise<Joined> {
  if (at !== undefined) return joinAt(parseAt(at), code, self, { signal });
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(LOOK_MS)]);
  const tried = new Set<string>();
  let failure: SwarmError | undefined;
  for await (const address of beacon.look(code.tag, { signal: deadline })) {
    const key = `${address.host} ${address.port}`;
    if (tried.has(key)) continue;
    tried.add(key);
    try {
      return await joinAt(address, code, self, { signal });
    } catch (error) {
      const now = toSwarmError(error);
      // A node has several addresses, and not all lead there.
      if (now.code !== "PEER_UNREACHABLE" || failure === undefined) failure = now;
      // Somebody who only pretends to have made the code gets one guess at it, not one for each address it claims.
      if (now.code === "ACCESS_DENIED") break;
    }
  }
  if (signal.aborted) throw new SwarmError("INTERRUPTED", "joining was stopped");
  throw failure ?? notFound();
}

function notFound(): SwarmError {
  return new SwarmError("NO_SOURCE", "no node of this LAN has an invitation with this code", {
    hint: "Look at the first two characters of the code; is it older than ten minutes? Where multicast does not reach, add --at HOST:PORT.",
  });
}

/** `HOST`, `HOST:PORT`, `[IPV6]:PORT`. @throws SwarmError USAGE */
export function parseAt(text: string): PairAddress {
  const match = /^(?:\[([^\]]+)\]|([^:[\]\s]+))(?::(\d{1,5}))?$/.exec(text.trim());
  const host = match?.[1] ?? match?.[2];
  const port = match?.[3] === undefined ? DEFAULT_PAIR_PORT : Number(match[3]);
  if (host !== undefined && port >= 1 && port <= 65_535) return { host, port };
  throw new SwarmError("USAGE", `--at is no address: ${JSON.stringify(text)}`, {
    hint: "Write HOST:PORT as swarm cluster invite prints it.",
  });
}
