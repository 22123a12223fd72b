/**
 * Runs nothing but a node's peer network, and prints what happens as JSON lines: `started`, `up`, `down`, `heard`. Commands on stdin, a
 * line each: `announce N` publishes an announcement with sequence N, `peers` prints the peers, `stop` ends it.
 */
import { createInterface } from "node:readline";
import { MDNS_DEFAULTS, mdnsDiscovery } from "@swarmd/daemon/discovery/mdns-discovery";
import { createLogger } from "@swarmd/daemon/observe/logger";
import { PeerNetwork } from "@swarmd/daemon/transport/peer-network";
import { parseBlobId } from "@swarmd/protocol";
import type { WireAnnouncement } from "@swarmd/protocol/wire";

const [stateDir, cluster = "open", ...peers] = process.argv.slice(2);

function print(type: string, fields: Record<string, unknown> = {}): void {
  process.stdout.write(`${JSON.stringify({ type, atMs: Date.now(), ...fields })}\n`);
}

function announcement(sequence: number, isFull: boolean): WireAnnouncement {
  const blob = parseBlobId(`sha256:${"ab".repeat(32)}`);
  const news = { blob, sizeBytes: 1e9, wants: true, mayFetch: true, holds: { kind: "all" }, rooted: [] } as const;
  return { epoch: 1, sequence, ttlMs: 30_000, isFull, capacityBytesPerS: 0, freeSlots: 4, blobs: [news] };
}

const network: PeerNetwork = new PeerNetwork(
  {
    keyPath: `${stateDir}/node.key`,
    port: 7482,
    peers,
    cluster,
    lanePort: 7481,
    linkOverrides: new Map(),
    agent: "probe",
  },
  {
    discovery: mdnsDiscovery({ cluster, ...MDNS_DEFAULTS }),
    tickets: { issue: () => ({ ticket: "probe", validMs: 1_000 }) },
    events: {
      peerUp(peer, routes) {
        print("up", { peer, routes: routes.map((route) => `${route.link} ${route.class}`) });
        network.tell(peer, announcement(1, true));
      },
      peerDown: (peer) => print("down", { peer }),
      heard: (peer, record) => print("heard", { peer, sequence: record.sequence, isFull: record.isFull }),
    },
    logger: createLogger({ format: "pretty", level: "debug" }, process.stderr),
  },
);

await network.start();
print("started", { id: network.id, addresses: network.addresses });
for await (const line of createInterface({ input: process.stdin })) {
  const [command, argument] = line.split(" ");
  if (command === "announce") network.announce(announcement(Number(argument), false));
  if (command === "peers") print("peers", { peers: network.peers });
  if (command === "stop") break;
}
process.stdin.destroy();
await network.stop();
print("stopped");
