/**
 * *Purpose*: the direct lane of a node, as others find it: a plain door, a TLS door, tickets for each. *In*: peers that were let in
 * over an authenticated stream and ask for a ticket. *Out*: tickets; requests to the handler. *Never*: decides who may have a blob.
 */
import { type BlobId, type NodeId, SwarmError } from "@swarmd/protocol";
import { DirectLaneServer, type DirectLaneServerOptions } from "./direct-lane-server.js";
import { makeLaneCertificate } from "./lane-certificate.js";
import { Tickets } from "./lane-ticket.js";
import type { LaneHandler, LaneTicket } from "./ports.js";

export interface LaneHostOptions {
  readonly host?: string;
  /** Of the door that peers are told of: the plain one, or with `always` the only one. 0: any free one. */
  readonly port: number;
  /** `auto`: private blobs over TLS, the rest plain. `always`: all over TLS. */
  readonly encrypt: "auto" | "always";
  readonly server?: Omit<DirectLaneServerOptions, "host" | "port" | "certificate">;
  readonly ticketMs?: number;
}

export interface LaneHostDeps {
  readonly handler: LaneHandler;
  readonly nowMs: () => number;
}

/** A server and who may use it: a ticket for one door opens no other. */
interface Door {
  readonly server: DirectLaneServer;
  readonly tickets: Tickets;
}

export class LaneHost {
  readonly name = "direct-lane";
  readonly #opts: LaneHostOptions;
  readonly #deps: LaneHostDeps;
  #plain: Door | undefined;
  #encrypted: Promise<Door> | undefined;
  #port: number | undefined;
  #isStopped = false;

  constructor(opts: LaneHostOptions, deps: LaneHostDeps) {
    this.#opts = opts;
    this.#deps = deps;
  }

  /** What is announced. @throws SwarmError INTERNAL before `start` */
  get port(): number {
    if (this.#port === undefined) throw new SwarmError("INTERNAL", "the direct lane does not listen yet");
    return this.#port;
  }

  /** @throws SwarmError ADDRESS_IN_USE */
  async start(): Promise<void> {
    const { port, encrypt } = this.#opts;
    if (encrypt === "always") {
      this.#encrypted = this.#openEncrypted(port);
      this.#port = (await this.#encrypted).server.port;
      return;
    }
    this.#plain = await this.#open(port);
    this.#port = this.#plain.server.port;
  }

  /**
   * A ticket for a peer that may ask for this blob; whether it gets a shard is the handler's business. The first private one makes
   * the certificate and opens the TLS door.
   *
   * @throws SwarmError INTERRUPTED when the node is stopping, ADDRESS_IN_USE
   */
  async grant(peer: NodeId, blob: BlobId, options: { readonly isPrivate: boolean }): Promise<LaneTicket> {
    if (this.#isStopped) throw new SwarmError("INTERRUPTED", "the node is stopping");
    if (this.#plain !== undefined && !options.isPrivate) {
      return this.#plain.tickets.issue(peer, blob, this.#deps.nowMs());
    }
    const { server, tickets } = await this.#encryptedDoor();
    const { certificateSha256 } = server;
    if (certificateSha256 === undefined) throw new SwarmError("INTERNAL", "the TLS lane has no certificate");
    return { ...tickets.issue(peer, blob, this.#deps.nowMs()), certificateSha256, port: server.port };
  }

  /** Opens the TLS door before anybody asks: making a certificate may take a second, and the first asker would lose patience. */
  prepareEncrypted(): void {
    // Whoever asks for a ticket tries again, and hears why not.
    void this.#encryptedDoor().catch(() => undefined);
  }

  /** A peer is banned: its tickets are void. What it is being sent goes on; breaking that off is the engine's order. */
  async revoke(peer: NodeId): Promise<void> {
    this.#plain?.tickets.revoke(peer);
    (await this.#encrypted?.catch(() => undefined))?.tickets.revoke(peer);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    const encrypted = await this.#encrypted?.catch(() => undefined);
    await Promise.all([this.#plain?.server.stop(), encrypted?.server.stop()]);
  }

  #encryptedDoor(): Promise<Door> {
    this.#encrypted ??= this.#openEncrypted(0).catch((error) => {
      this.#encrypted = undefined;
      throw error;
    });
    return this.#encrypted;
  }

  async #openEncrypted(port: number): Promise<Door> {
    return this.#open(port, { certificate: await makeLaneCertificate() });
  }

  async #open(port: number, more: Pick<DirectLaneServerOptions, "certificate"> = {}): Promise<Door> {
    const { host, server: limits, ticketMs } = this.#opts;
    const tickets = new Tickets(ticketMs === undefined ? {} : { validMs: ticketMs });
    const server = new DirectLaneServer(
      { ...limits, ...more, port, ...(host === undefined ? {} : { host }) },
      { ...this.#deps, tickets },
    );
    await server.start();
    return { server, tickets };
  }
}
