/** What a node learns that was not invited: in open mode of what is private, and in front of a cluster at all. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { RunningNode } from "@swarmd/daemon/host";
import type { Logger } from "@swarmd/daemon/observe/logger";
import { createSilentLogger } from "@swarmd/daemon/observe/logger";
import { LIBP2P_LANE_DEFAULTS, Libp2pLane } from "@swarmd/daemon/transport/lanes/libp2p-lane";
import { PeerNetwork } from "@swarmd/daemon/transport/peer-network";
import { type BlobId, type NodeId, parseBlobId, SHARD_BYTES, toSwarmError } from "@swarmd/protocol";
import { OPEN_CLUSTER, SHARD_PROTOCOL } from "@swarmd/protocol/wire";
import { type Folders, makeFolders } from "../support/binaries.js";
import { EmbeddedHub } from "../support/hub/hub.js";
import { pullEvents, startTestNode } from "../support/local-node.js";

const PUBLIC = randomBytes(300_123);
const PRIVATE = randomBytes(300_456);
const GATED = randomBytes(300_789);
const WAIT_MS = 30_000;
const idOf = (content: Buffer): BlobId => parseBlobId(`sha256:${createHash("sha256").update(content).digest("hex")}`);
const signal = () => AbortSignal.timeout(WAIT_MS);

/** A node of the same program that keeps all that it is told. */
class Spy {
  readonly heard: string[] = [];
  readonly #network: PeerNetwork;
  readonly #lane: Libp2pLane;
  #failures = 0;
  #wake: () => void = () => undefined;

  constructor(folder: string, cluster: string, swarmKey?: string) {
    const note = (what: unknown) => {
      this.heard.push(JSON.stringify(what, (_key, value) => (value instanceof Uint8Array ? [...value] : value)));
      this.#wake();
    };
    const quiet = createSilentLogger();
    const logger = Object.assign(Object.create(quiet) as Logger, {
      debug: (_about: unknown, message: unknown) => {
        if (message !== "no answer") return;
        this.#failures += 1;
        this.#wake();
      },
    });
    this.#lane = new Libp2pLane(LIBP2P_LANE_DEFAULTS, {
      openStream: (...args) => this.#network.openStream(...args),
      handler: { handle: async () => ({ kind: "refuse", code: "PEER_LACKS", message: "", redirect: [] }) },
    });
    this.#network = new PeerNetwork(
      {
        keyPath: join(folder, "spy.key"),
        port: 0,
        hosts: ["127.0.0.1"],
        peers: [],
        cluster,
        ...(swarmKey === undefined ? {} : { swarmKey: new TextEncoder().encode(swarmKey) }),
        lanePort: undefined,
        linkOverrides: new Map(),
        agent: "spy",
      },
      {
        logger,
        handlers: { [SHARD_PROTOCOL]: this.#lane.take },
        tickets: { issue: () => ({ ticket: "x", validMs: 1 }) },
        events: {
          peerUp: (peer, routes) => note({ peer, routes }),
          peerDown: (peer) => note({ gone: peer }),
          heard: (peer, record) => note({ peer, record }),
        },
      },
    );
  }

  async meet(address: string): Promise<void> {
    await this.#network.start();
    this.#network.reach(address);
  }

  get peers(): readonly NodeId[] {
    return this.#network.peers.map(({ id }) => id);
  }

  /** How often an attempt to connect has failed. */
  get failures(): number {
    return this.#failures;
  }

  async until(isTrue: () => boolean): Promise<void> {
    const deadline = Date.now() + WAIT_MS;
    while (!isTrue()) {
      const leftMs = deadline - Date.now();
      if (leftMs <= 0) throw new Error(`waited too long; heard ${this.heard.join("\n")}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** What the node answers who asks for a blob by its digest, in every way there is. Its own words only. */
  async ask(blob: BlobId): Promise<readonly unknown[]> {
    const [peer] = this.peers as [NodeId];
    const { ticket, ...shape } = await this.#network.tickets.get(peer, blob, { signal: signal() });
    const answers: unknown[] = [{ ...shape, ticketLength: ticket.length }];
    for (const [start, end] of [
      [0, 1],
      [0, 300_456],
      [300_000, 400_000],
      [10 ** 12, 10 ** 12 + 1],
    ] as const) {
      const sink = { write: () => undefined };
      const error = await this.#lane
        .source(peer)
        .read(blob, start, end, sink, { signal: signal() })
        .then(() => undefined, toSwarmError);
      answers.push({ code: error?.code, message: error?.message.replaceAll(blob, "…"), redirect: error?.redirect });
    }
    const about = { blob, sizeBytes: PRIVATE.length, shardBytes: SHARD_BYTES, shard: 0 };
    answers.push(
      await this.#network.askEvidence(peer, about, { signal: signal() }).then(
        (evidence) => evidence,
        (error) => toSwarmError(error).code,
      ),
    );
    return answers;
  }

  async stop(): Promise<void> {
    await this.#network.stop();
    await this.#lane.stop();
  }
}

describe("a node that was not invited", { timeout: 180_000 }, () => {
  let hub: EmbeddedHub;
  let folders: Folders;
  let node: RunningNode;
  let address: string;
  const spies: Spy[] = [];

  before(async () => {
    folders = await makeFolders();
    hub = await EmbeddedHub.start({
      repos: [
        { name: "acme/open", files: { "model.safetensors": PUBLIC } },
        { name: "acme/hidden-name", files: { "model.safetensors": PRIVATE }, private: true },
        { name: "acme/gated-name", files: { "model.safetensors": GATED }, gated: true },
      ],
    });
    node = await startTestNode(folders, hub.url, { noPeer: false, token: "hf_reader" });
    for (const target of ["acme/hidden-name", "acme/gated-name", "acme/open"]) await pullEvents(node, { target });
  });
  after(async () => {
    for (const spy of spies) await spy.stop();
    await node.stop();
    await hub.stop();
    await folders.remove();
  });

  const locate = async () => {
    const [first] = (await node.views.status()).self?.addresses ?? [];
    address = `127.0.0.1:${/\/tcp\/(\d+)/.exec(first ?? "")?.[1]}`;
  };
  const spyOn = async (cluster: string, swarmKey?: string) => {
    const spy = new Spy(folders.root, cluster, swarmKey);
    spies.push(spy);
    await locate();
    await spy.meet(address);
    return spy;
  };

  it("in open mode hears of public blobs, and of private and gated ones neither name nor digest nor size", async (t) => {
    const spy = await spyOn(OPEN_CLUSTER);
    await spy.until(() => spy.heard.some((text) => text.includes(idOf(PUBLIC))));
    // A pull of each while it listens, so that nothing depends on when it came.
    for (const target of ["acme/hidden-name", "acme/gated-name"]) {
      await node.commands.remove({ target }, { signal: signal() });
      await pullEvents(node, { target });
    }
    const asked = await spy.ask(idOf(PRIVATE));
    const never = await spy.ask(idOf(randomBytes(10)));
    assert.deepEqual(asked, never, "what is private is answered like what does not exist");
    assert.deepEqual(await spy.ask(idOf(GATED)), never);
    const all = spy.heard.join("\n");
    assert.ok(all.includes(String(PUBLIC.length)), "what is public is heard with its size");
    for (const secret of [idOf(PRIVATE), idOf(GATED)].map((id) => id.slice("sha256:".length))) {
      assert.ok(!all.includes(secret));
      assert.ok(!all.includes([...Buffer.from(secret, "hex")].join(",")));
    }
    for (const secret of ["hidden-name", "gated-name", String(PRIVATE.length), String(GATED.length)]) {
      assert.ok(!all.includes(secret), secret);
    }
    t.diagnostic(
      `uninvited, told by the node: 0 bytes about private repos in ${all.length} bytes of announcements and answers`,
    );
    await spy.stop();
  });

  it("in front of a cluster fails in the handshake: without a key, and with another cluster's", async () => {
    await node.commands.cluster.create({ name: "inner-circle", port: 0 });
    const { swarmKey } = node.commands.cluster.showKey();
    const otherKey = swarmKey.replace(/.{64}$/, "ab".repeat(32));
    for (const key of [undefined, otherKey]) {
      const spy = await spyOn(OPEN_CLUSTER, key);
      await spy.until(() => spy.failures >= 2);
      assert.deepEqual([spy.peers, spy.heard], [[], []]);
      assert.deepEqual((await node.views.status()).peers, []);
      assert.equal((await node.commands.cluster.status()).members.length, 1);
      await spy.stop();
    }
    // The same spy with the right key is let in: the handshake was what kept the others out.
    const member = await spyOn(OPEN_CLUSTER, swarmKey);
    await member.until(() => member.heard.some((text) => text.includes(idOf(PRIVATE))));
    assert.equal(member.peers.length, 1);
  });
});
