/** A direct lane on loopback between a handler and a client, through a proxy that can cut it. */
import {
  DirectLaneClient,
  type DirectLaneClientOptions,
  type LaneDelivery,
} from "@swarmd/daemon/transport/lanes/direct-lane-client";
import { DirectLaneServer, type DirectLaneServerOptions } from "@swarmd/daemon/transport/lanes/direct-lane-server";
import type { LaneCertificate } from "@swarmd/daemon/transport/lanes/lane-certificate";
import { Tickets } from "@swarmd/daemon/transport/lanes/lane-ticket";
import type { LaneAddress, LaneHandler, LaneTicket } from "@swarmd/daemon/transport/lanes/ports";
import { RateLimit } from "@swarmd/daemon/transport/lanes/rate-limit";
import { type BlobId, type NodeId, parseNodeId } from "@swarmd/protocol";
import { CuttingProxy } from "./cutting-proxy.js";

export const ASKER = parseNodeId("12D3KooWasker");
export const HOLDER = parseNodeId("12D3KooWholder");

export interface DirectLaneSetup {
  readonly certificate?: LaneCertificate;
  readonly server?: Partial<DirectLaneServerOptions>;
  readonly client?: DirectLaneClientOptions;
  readonly ticketMs?: number;
}

export class DirectLane {
  readonly server: DirectLaneServer;
  readonly client: DirectLaneClient;
  readonly proxy: CuttingProxy;
  readonly tickets: Tickets;
  readonly downloadLimit = RateLimit.of(undefined);
  readonly deliveries: LaneDelivery[] = [];
  /** What the client believes of the peer's addresses. */
  addresses: readonly LaneAddress[];
  /** Added to the server's clock. */
  serverAheadMs = 0;
  /** Changes what the client is given. */
  forge: (ticket: LaneTicket) => LaneTicket = (ticket) => ticket;
  ticketsGiven = 0;

  private constructor(
    server: DirectLaneServer,
    proxy: CuttingProxy,
    tickets: Tickets,
    options: DirectLaneClientOptions,
  ) {
    this.server = server;
    this.proxy = proxy;
    this.tickets = tickets;
    this.addresses = [{ link: "lo", host: "127.0.0.1", port: proxy.port }];
    this.client = new DirectLaneClient(options, {
      tickets: { get: async (_peer, blob) => this.forge(this.give(blob)) },
      routes: { addresses: () => this.addresses },
      downloadLimit: this.downloadLimit,
      nowMs: () => performance.now(),
      onDelivery: (delivery) => this.deliveries.push(delivery),
    });
  }

  static async start(handler: LaneHandler, setup: DirectLaneSetup = {}): Promise<DirectLane> {
    const tickets = new Tickets(setup.ticketMs === undefined ? {} : { validMs: setup.ticketMs });
    const { certificate } = setup;
    const server = new DirectLaneServer(
      { host: "127.0.0.1", port: 0, ...setup.server, ...(certificate === undefined ? {} : { certificate }) },
      { handler, tickets, nowMs: () => performance.now() + lane.serverAheadMs },
    );
    await server.start();
    const proxy = await CuttingProxy.start(server.port);
    const lane: DirectLane = new DirectLane(server, proxy, tickets, { threads: 1, ...setup.client });
    return lane;
  }

  /** As the control stream would: for an asker it knows. */
  give(blob: BlobId, peer: NodeId = ASKER): LaneTicket {
    this.ticketsGiven += 1;
    const { certificateSha256 } = this.server;
    const ticket = this.tickets.issue(peer, blob, performance.now() + this.serverAheadMs);
    return { ...ticket, ...(certificateSha256 === undefined ? {} : { certificateSha256 }) };
  }

  /** May be called twice. */
  async stop(): Promise<void> {
    await this.proxy.stop().catch(() => undefined);
    await this.server.stop();
    await this.client.stop();
  }
}
