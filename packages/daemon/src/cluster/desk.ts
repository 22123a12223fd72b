/** Where invitations are given out: at most one code at a time, and a port that is open only while it is good. */
import type { NodeId } from "@swarmd/protocol";
import type { ClusterInvitation } from "@swarmd/protocol/api";
import type { Grant, WireMember } from "@swarmd/protocol/wire";
import type { Logger } from "../observe/logger.js";
import { INVITATION_MS, Invitation, TRIES } from "./invitation.js";
import { makePairCode } from "./pair-code.js";
import { PairListener } from "./pair-listener.js";
import type { PairBeacon } from "./ports.js";

/** Beside the ports of lane and libp2p. */
export const DEFAULT_PAIR_PORT = 7483;

export interface DeskDeps {
  readonly beacon: PairBeacon;
  readonly grant: () => Promise<Grant>;
  readonly onAdmitted: (member: WireMember) => void;
  readonly nowMs: () => number;
  readonly logger: Logger;
}

export interface DeskView {
  readonly expiresInMs: number;
  readonly triesLeft: number;
  readonly port: number;
}

interface OpenDesk {
  readonly invitation: Invitation;
  readonly listener: PairListener;
  readonly port: number;
  readonly timer: NodeJS.Timeout;
  readonly hush: () => Promise<void>;
}

export class Desk {
  readonly #deps: DeskDeps;
  #open: OpenDesk | undefined;

  constructor(deps: DeskDeps) {
    this.#deps = deps;
  }

  /** The invitation that is open now. */
  view(): DeskView | undefined {
    const open = this.#open;
    if (open === undefined || !open.invitation.isOpen(this.#deps.nowMs())) return undefined;
    const { invitation, port } = open;
    return { expiresInMs: invitation.expiresAtMs - this.#deps.nowMs(), triesLeft: invitation.triesLeft, port };
  }

  /** Makes a new code; the one before is void. @throws SwarmError ADDRESS_IN_USE */
  async open(wanted: number | undefined, self: NodeId, addresses: readonly string[]): Promise<ClusterInvitation> {
    await this.close();
    const { beacon, nowMs, logger, grant, onAdmitted } = this.#deps;
    const invitation = new Invitation(makePairCode(), nowMs());
    const { text, tag } = invitation.code;
    const options = { port: wanted ?? DEFAULT_PAIR_PORT, self };
    const onVoid = () => {
      logger.warn("three wrong codes: the invitation is void");
      void this.close();
    };
    const listener = new PairListener(options, { invitation, grant, onAdmitted, onVoid, nowMs, logger });
    const port = await listener.start();
    const hush = await beacon.announce(tag, port, self).catch((error: Error) => {
      logger.warn({ why: error.message }, "the invitation can't be told by multicast; use --at");
      return async () => undefined;
    });
    const timer = setTimeout(() => void this.close(), INVITATION_MS);
    timer.unref();
    this.#open = { invitation, listener, port, timer, hush };
    return {
      code: text,
      expiresInMs: INVITATION_MS,
      tries: TRIES,
      port,
      at: [...new Set(addresses.map((address) => toHostAndPort(address, port)))],
    };
  }

  /** The code is void, and nobody listens any more. */
  async close(): Promise<void> {
    const open = this.#open;
    if (open === undefined) return;
    this.#open = undefined;
    clearTimeout(open.timer);
    open.invitation.end();
    await Promise.all([open.listener.stop(), open.hush()]);
  }
}

/** `/ip4/192.168.1.7/tcp/7482` -> `192.168.1.7:7483` */
function toHostAndPort(address: string, port: number): string {
  const host = address.split("/")[2] ?? "";
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
