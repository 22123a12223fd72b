/** A libp2p lane on loopback between a handler and an asker: two peer networks, and a stream that can be cut. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSilentLogger } from "@swarmd/daemon/observe/logger";
import { LIBP2P_LANE_DEFAULTS, Libp2pLane, type Libp2pLaneDeps } from "@swarmd/daemon/transport/lanes/libp2p-lane";
import type { LaneHandler } from "@swarmd/daemon/transport/lanes/ports";
import { PeerNetwork } from "@swarmd/daemon/transport/peer-network";
import { SwarmError } from "@swarmd/protocol";
import { SHARD_PROTOCOL } from "@swarmd/protocol/wire";

type Stream = Awaited<ReturnType<Libp2pLaneDeps["openStream"]>>;

/** Nobody asks the asker. */
const NOTHING: LaneHandler = {
  handle: async () => ({ kind: "refuse", code: "PEER_LACKS", message: "nothing here", redirect: [] }),
};

export class Libp2pLanePair {
  readonly asker: Libp2pLane;
  readonly holder: PeerNetwork;
  /** Of every stream from now on; all bytes count. */
  cutAfterBytes = Number.POSITIVE_INFINITY;
  readonly #stops: (() => Promise<unknown>)[] = [];

  private constructor(handler: LaneHandler, folder: string) {
    this.#stops.push(() => rm(folder, { recursive: true, force: true }));
    this.holder = this.#network(join(folder, "holder"), [], handler).network;
    this.asker = this.#network(join(folder, "asker"), [], NOTHING).lane;
  }

  static async start(handler: LaneHandler): Promise<Libp2pLanePair> {
    const folder = await mkdtemp(join(tmpdir(), "swarmd-lane-"));
    const pair = new Libp2pLanePair(handler, folder);
    await pair.#meet();
    return pair;
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops.splice(0).reverse()) await stop();
  }

  #networks: PeerNetwork[] = [];
  #met: (() => void) | undefined;

  async #meet(): Promise<void> {
    const [holder, asker] = this.#networks as [PeerNetwork, PeerNetwork];
    const met = new Promise<void>((resolve) => {
      this.#met = resolve;
    });
    await holder.start();
    await asker.start();
    asker.reach(holder.addresses[0] as string);
    await met;
  }

  #network(keyPath: string, peers: readonly string[], handler: LaneHandler) {
    const lane: Libp2pLane = new Libp2pLane(LIBP2P_LANE_DEFAULTS, {
      openStream: async (...args) => this.#cuttable(await network.openStream(...args)),
      handler,
    });
    const network: PeerNetwork = new PeerNetwork(
      {
        keyPath,
        port: 0,
        hosts: ["127.0.0.1"],
        peers,
        cluster: "lane",
        lanePort: undefined,
        linkOverrides: new Map(),
        agent: "test",
      },
      {
        tickets: {
          issue() {
            throw new SwarmError("PEER_LACKS", "no direct lane here");
          },
        },
        events: { peerUp: () => this.#met?.(), peerDown: () => undefined, heard: () => undefined },
        handlers: { [SHARD_PROTOCOL]: lane.take },
        logger: createSilentLogger(),
      },
    );
    this.#networks.push(network);
    this.#stops.push(
      () => network.stop(),
      () => lane.stop(),
    );
    return { network, lane };
  }

  #cuttable(stream: Stream): Stream {
    const { source } = stream;
    const cut = this.cutAfterBytes;
    async function* counted() {
      let bytes = 0;
      for await (const list of source) {
        bytes += list.length;
        if (bytes > cut) {
          yield list.sublist(0, list.length - (bytes - cut));
          stream.abort(new Error("cut"));
          throw new Error("cut");
        }
        yield list;
      }
    }
    stream.source = counted();
    return stream;
  }
}
