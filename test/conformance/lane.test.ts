import { makeLaneCertificate } from "@swarmd/daemon/transport/lanes/lane-certificate";
import type { LaneHandler } from "@swarmd/daemon/transport/lanes/ports";
import { ASKER, DirectLane, type DirectLaneSetup, HOLDER } from "../support/direct-lane.js";
import { Libp2pLanePair } from "../support/libp2p-lane-pair.js";
import { memoryLane } from "../support/memory-lane.js";
import { describeLane, type LaneMaker } from "./lane.js";

/** Without a network. */
const memory: LaneMaker = {
  name: "memory twin",
  async open(handler) {
    const stopped = new AbortController();
    const options = { cutAfterBytes: Number.POSITIVE_INFINITY };
    const lane = memoryLane(handler, ASKER, options);
    return {
      source: {
        read: (blob, start, end, sink, { signal }) =>
          lane.read(blob, start, end, sink, { signal: AbortSignal.any([signal, stopped.signal]) }),
      },
      cutAfter: (bytes) => {
        options.cutAfterBytes = bytes;
      },
      stop: async () => stopped.abort(),
    };
  },
};

function direct(name: string, setup: () => Promise<DirectLaneSetup>): LaneMaker {
  return {
    name,
    async open(handler: LaneHandler) {
      const lane = await DirectLane.start(handler, await setup());
      return {
        source: lane.client.source(HOLDER, "lo"),
        cutAfter: (bytes) => {
          lane.proxy.cutAfterBytes = bytes;
          // Connections that rest were made before.
          lane.proxy.cut();
        },
        stop: () => lane.stop(),
      };
    },
  };
}

const libp2p: LaneMaker = {
  name: "libp2p lane",
  async open(handler) {
    const pair = await Libp2pLanePair.start(handler);
    return {
      source: pair.asker.source(pair.holder.id),
      cutAfter: (bytes) => {
        pair.cutAfterBytes = bytes;
      },
      stop: () => pair.stop(),
    };
  },
};

describeLane(memory);
describeLane(libp2p);
describeLane(direct("direct lane, plain", async () => ({})));
describeLane(direct("direct lane, TLS", async () => ({ certificate: await makeLaneCertificate() })));
