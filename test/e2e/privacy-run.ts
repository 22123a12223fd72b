/**
 * A node holds a public, a private and a gated repo. A stranger on the same LAN listens to what it announces and asks for each file by
 * its digest, and for one that does not exist, over the direct lane and over libp2p. Run by `privacy.test.ts` in a network namespace.
 */
import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createLogger } from "@swarmd/daemon/observe/logger";
import { LIBP2P_LANE_DEFAULTS, Libp2pLane } from "@swarmd/daemon/transport/lanes/libp2p-lane";
import { PeerNetwork } from "@swarmd/daemon/transport/peer-network";
import { type BlobId, parseBlobId, SHARD_BYTES, toSwarmError } from "@swarmd/protocol";
import { environmentFor, makeFolders, startDaemon, stopDaemon } from "../support/binaries.js";
import { EmbeddedHub } from "../support/hub/hub.js";
import { printResult, pull, SwarmOfProcesses } from "../support/swarm-of-processes.js";

const REPOS = ["public", "private", "gated", "unknown"] as const;
const P2P_PORT = 17_482;
const { signal } = new AbortController();

/** Large enough to be an LFS file, whose name is its sha256. */
function contentOf(name: string): Buffer {
  return Buffer.alloc(1024 * 1024, `${name} `);
}

function blobOf(name: string): BlobId {
  return parseBlobId(`sha256:${createHash("sha256").update(contentOf(name)).digest("hex")}`);
}

/** A direct-lane request as any program could make it; the status line's number, 0 when nothing came. */
function askDirectly(host: string, port: number, blob: BlobId, ticket: string): Promise<number> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    let text = "";
    socket.setEncoding("latin1").on("data", (chunk: string) => {
      text += chunk;
      if (!text.includes("\r\n")) return;
      socket.destroy();
      resolve(Number(text.split(" ")[1]));
    });
    socket.on("error", () => resolve(0));
    const head = [`GET /blobs/${blob} HTTP/1.1`, "Host: x", `Authorization: Bearer ${ticket}`, "Range: bytes=0-99"];
    socket.write(`${head.join("\r\n")}\r\n\r\n`);
  });
}

const hub = await EmbeddedHub.start({
  repos: REPOS.map((name) => ({
    name: `acme/${name}`,
    files: { "model.safetensors": contentOf(name) },
    ...(name === "private" ? { private: true } : name === "gated" ? { gated: true } : {}),
  })),
});
await hub.prepare();
const swarm = new SwarmOfProcesses();
const folders = await makeFolders();
const env = environmentFor(folders, hub.url, { HF_TOKEN: "hf_reader" });
const ports = ["--p2p-port", String(P2P_PORT), "--lane-port", "0"];
const first = await startDaemon([...ports, "--no-peer"], env);
try {
  // In the cache, and nobody ever said whether it is public: the record goes, and the origin no longer answers for it.
  const holder = { folders, env, daemon: first };
  for (const name of REPOS) await pull(holder, `acme/${name}`);
  await stopDaemon(first);
  const records = join(folders.stateDir, "visibility.json");
  const { repos } = JSON.parse(await readFile(records, "utf8")) as { repos: [string, unknown][] };
  await writeFile(records, JSON.stringify({ repos: repos.filter(([key]) => !key.endsWith("acme/unknown")) }));
  const daemon = await startDaemon(ports, { ...env, HF_HUB_OFFLINE: "1" });
  const heard = new Set<string>();
  const probe = await makeFolders();
  const network: PeerNetwork = new PeerNetwork(
    {
      keyPath: join(probe.root, "node.key"),
      port: 0,
      peers: [`127.0.0.1:${P2P_PORT}`],
      cluster: "open",
      lanePort: 1,
      linkOverrides: new Map(),
      agent: "stranger",
    },
    {
      tickets: { issue: () => ({ ticket: "x", validMs: 1 }) },
      events: {
        peerUp: () => undefined,
        peerDown: () => undefined,
        heard: (_peer, record) => {
          for (const { blob } of record.blobs) heard.add(blob);
        },
      },
      logger: createLogger({ format: "json", level: "error" }, process.stderr),
    },
  );
  try {
    await network.start();
    while (network.peers.length === 0 || heard.size === 0) await sleep(100);
    await sleep(1_000);
    const [peer] = network.peers;
    if (peer === undefined) throw new Error("the node is gone");
    const lane = new Libp2pLane(LIBP2P_LANE_DEFAULTS, {
      handler: { handle: () => Promise.reject(new Error("a stranger serves nobody")) },
      openStream: (...args) => network.openStream(...args),
    });
    const answers: Record<string, unknown> = {};
    for (const name of [...REPOS, "absent"]) {
      const blob = blobOf(name);
      const route = peer.routes[0];
      let direct: string | number;
      try {
        const { ticket } = await network.tickets.get(peer.id, blob, { signal });
        direct = await askDirectly(route?.host ?? "", route?.port ?? 0, blob, ticket);
      } catch (error) {
        direct = toSwarmError(error).code;
      }
      let received = 0;
      const sink = {
        write(chunk: Uint8Array) {
          received += chunk.length;
          return undefined;
        },
      };
      const end = Math.min(100, SHARD_BYTES);
      const libp2p = await lane
        .source(peer.id)
        .read(blob, 0, end, sink, { signal })
        .then(
          () => "served",
          (error: unknown) => toSwarmError(error).code,
        );
      answers[name] = { isAnnounced: heard.has(blob), direct, libp2p, received };
    }
    printResult(answers);
  } finally {
    await network.stop();
    await probe.remove();
    await stopDaemon(daemon);
  }
} finally {
  await folders.remove();
  await swarm.stop();
  await hub.stop();
}
