import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { generateKey } from "@libp2p/pnet";
import { type NodeId, parseBlobId, SwarmError } from "@swarmd/protocol";
import {
  LIBP2P_LINK,
  SHARD_PROTOCOL,
  STATE_PROTOCOL,
  TALK_PROTOCOL,
  type WireAnnouncement,
} from "@swarmd/protocol/wire";
import { createSilentLogger } from "../observe/logger.js";
import { LIBP2P_LANE_DEFAULTS, Libp2pLane } from "./lanes/libp2p-lane.js";
import type { LaneHandler } from "./lanes/ports.js";
import type { PeerRoute } from "./links/routes.js";
import { PeerNetwork, type PeerNetworkOptions } from "./peer-network.js";
import type { TicketOffice, TicketTerms } from "./ports.js";

const BLOB = parseBlobId(`sha256:${"ab".repeat(32)}`);
const CONTENT = randomBytes(3_000_000);
const DEADLINE_MS = 15_000;

type Happening =
  | { readonly type: "up"; readonly peer: NodeId; readonly routes: readonly PeerRoute[] }
  | { readonly type: "down"; readonly peer: NodeId }
  | { readonly type: "heard"; readonly peer: NodeId; readonly record: WireAnnouncement };

interface TestNode {
  readonly network: PeerNetwork;
  readonly lane: Libp2pLane;
  readonly happened: Happening[];
  /** Resolves with the first event, past or to come, that the test accepts. */
  until<Type extends Happening["type"]>(
    type: Type,
    accept?: (event: Extract<Happening, { type: Type }>) => boolean,
  ): Promise<Extract<Happening, { type: Type }>>;
}

/** Serves CONTENT, and everything else is lacking. */
const handler: LaneHandler = {
  async handle({ blob, startBytes, endBytes }) {
    if (blob !== BLOB) return { kind: "refuse", code: "PEER_LACKS", message: "never heard of it", redirect: [] };
    const end = endBytes ?? CONTENT.length;
    return {
      kind: "serve",
      sizeBytes: CONTENT.length,
      startBytes,
      endBytes: end,
      async send(outlet, { signal }) {
        const buffer = Buffer.alloc(100_000);
        for (let at = startBytes; at < end; at += buffer.length) {
          signal.throwIfAborted();
          const chunk = buffer.subarray(0, Math.min(buffer.length, end - at));
          CONTENT.copy(chunk, 0, at);
          await outlet.write(chunk);
        }
      },
    };
  },
};

const goodTickets: TicketOffice = {
  issue: () => ({ ticket: "abc", validMs: 1_000, certificateSha256: "cd".repeat(32) }),
};

function announcement(sequence: number, more: Partial<WireAnnouncement> = {}): WireAnnouncement {
  const base = { epoch: 1, ttlMs: 30_000, isFull: false, capacityBytesPerS: 0, freeSlots: 4, blobs: [] };
  return { ...base, sequence, ...more };
}

describe("a network of peers", { timeout: 120_000 }, () => {
  let folder: string;
  const nodes: TestNode[] = [];
  let made = 0;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "swarmd-p2p-"));
  });
  after(() => rm(folder, { recursive: true, force: true }));
  afterEach(async () => {
    await Promise.all(nodes.splice(0).map(({ network }) => network.stop()));
  });

  async function startNode(
    more: Partial<PeerNetworkOptions> = {},
    tickets: TicketOffice = goodTickets,
    laneOptions = LIBP2P_LANE_DEFAULTS,
    terms: () => TicketTerms = () => ({ encrypted: false, hasAccess: false }),
  ): Promise<TestNode> {
    made += 1;
    const happened: Happening[] = [];
    const listeners = new Set<() => void>();
    const note = (event: Happening) => {
      happened.push(event);
      for (const listener of [...listeners]) listener();
    };
    const lane: Libp2pLane = new Libp2pLane(laneOptions, {
      openStream: (peer, protocol, options) => network.openStream(peer, protocol, options),
      handler,
    });
    const network: PeerNetwork = new PeerNetwork(
      {
        keyPath: join(folder, `${made}`, "node.key"),
        port: 0,
        hosts: ["127.0.0.1"],
        peers: [],
        cluster: "test",
        lanePort: 7481,
        linkOverrides: new Map(),
        agent: "test",
        ...more,
      },
      {
        tickets,
        terms,
        events: {
          peerUp: (peer, routes) => note({ type: "up", peer, routes }),
          peerDown: (peer) => note({ type: "down", peer }),
          heard: (peer, record) => note({ type: "heard", peer, record }),
        },
        handlers: { [SHARD_PROTOCOL]: lane.take },
        logger: createSilentLogger(),
      },
    );
    await network.start();
    const until: TestNode["until"] = (type, accept = () => true) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const found = happened.find((event) => event.type === type && accept(event as never));
          if (found === undefined) return;
          clearTimeout(timer);
          listeners.delete(look);
          resolve(found as never);
        };
        const timer = setTimeout(() => {
          listeners.delete(look);
          reject(new Error(`no ${type} in time; there were ${happened.map((event) => event.type).join(", ")}`));
        }, DEADLINE_MS);
        listeners.add(look);
        look();
      });
    const node = { network, lane, happened, until };
    nodes.push(node);
    return node;
  }

  const addressOf = ({ network }: TestNode) => network.addresses[0]?.replace(/\/p2p\/.*/, "") as string;

  async function pair(moreB: Partial<PeerNetworkOptions> = {}, ticketsA: TicketOffice = goodTickets) {
    const a = await startNode({}, ticketsA);
    const b = await startNode({ peers: [addressOf(a)], ...moreB });
    await Promise.all([a.until("up"), b.until("up")]);
    return { a, b };
  }

  it("lets two peers meet over a static address, each hearing how to reach the other", async () => {
    const { a, b } = await pair();
    const { peer, routes } = await b.until("up");
    assert.equal(peer, a.network.id);
    assert.equal(routes.at(-1)?.link, LIBP2P_LINK);
    assert.ok(routes.slice(0, -1).every(({ port }) => port === 7481));
    const [first] = routes;
    assert.deepEqual(b.network.routes.addresses(peer, first?.link ?? "")[0], first);
  });

  it("takes one peer on two addresses for one", async () => {
    const a = await startNode();
    const port = addressOf(a).split("/").at(-1);
    const b = await startNode({ peers: [addressOf(a), `localhost:${port}`, `127.0.0.1:${port}`] });
    await Promise.all([a.until("up"), b.until("up")]);
    assert.equal(b.network.peers.length, 1);
    assert.equal(b.happened.filter(({ type }) => type === "up").length, 1);
  });

  it("carries announcements at once and in order, and several together when busy", async () => {
    const { a, b } = await pair();
    for (const sequence of [1, 2, 3, 4]) a.network.announce(announcement(sequence));
    await b.until("heard", ({ record }) => record.sequence === 4);
    const sequences = b.happened.flatMap((event) => (event.type === "heard" ? [event.record.sequence] : []));
    assert.deepEqual(sequences, [1, 2, 3, 4]);
  });

  it("carries a record that is too large for gossip over streams", async () => {
    const { a, b } = await pair();
    const bits = new Uint8Array(100_000).fill(255);
    const news = {
      blob: BLOB,
      sizeBytes: 1,
      wants: true,
      mayFetch: true,
      holds: { kind: "exactly", size: 800_000, bits },
      rooted: [],
    } as const;
    a.network.announce(announcement(1, { blobs: [news, news, news] }));
    const { record } = await b.until("heard");
    assert.equal(record.blobs.length, 3);
  });

  it("tells one peer over a stream", async () => {
    const { a, b } = await pair();
    a.network.tell(b.network.id, announcement(7, { isFull: true }));
    const { peer, record } = await b.until("heard");
    assert.equal(peer, a.network.id);
    assert.equal(record.sequence, 7);
  });

  it("gives tickets, and refusals with their reasons", async () => {
    const busy: TicketOffice = {
      issue(peer, blob, terms) {
        if (blob === BLOB) return goodTickets.issue(peer, blob, terms);
        throw new SwarmError("PEER_DENIED", "private", { redirect: [peer] });
      },
    };
    const { a, b } = await pair({}, busy);
    const signal = AbortSignal.timeout(DEADLINE_MS);
    const ticket = await b.network.tickets.get(a.network.id, BLOB, { signal });
    assert.equal(ticket.ticket, "abc");
    assert.equal(ticket.certificateSha256, "cd".repeat(32));
    const other = parseBlobId(`git-sha1:${"12".repeat(20)}`);
    await assert.rejects(b.network.tickets.get(a.network.id, other, { signal }), {
      code: "PEER_DENIED",
      redirect: [b.network.id],
    });
  });

  it("asks for an encrypted lane where it must, and takes no other", async () => {
    const asked: unknown[] = [];
    const inTheClear: TicketOffice = {
      issue(_peer, blob, terms) {
        asked.push(terms);
        return { ticket: "abc", validMs: 1_000, ...(blob === BLOB ? { certificateSha256: "cd".repeat(32) } : {}) };
      },
    };
    const other = parseBlobId(`git-sha1:${"12".repeat(20)}`);
    const signal = AbortSignal.timeout(DEADLINE_MS);
    const a = await startNode({}, inTheClear);
    const b = await startNode({ peers: [addressOf(a)] }, goodTickets, LIBP2P_LANE_DEFAULTS, () => ({
      encrypted: true,
      hasAccess: true,
    }));
    await Promise.all([a.until("up"), b.until("up")]);
    await b.network.tickets.get(a.network.id, BLOB, { signal });
    await assert.rejects(b.network.tickets.get(a.network.id, other, { signal }), { code: "PEER_FAULT" });
    assert.deepEqual(asked, Array(2).fill({ encrypted: true, hasAccess: true }));
  });

  it("notices a goodbye at once, and a peer that comes back", async () => {
    const { a, b } = await pair();
    const port = Number(addressOf(a).split("/").at(-1));
    await a.network.stop();
    await b.until("down");
    b.happened.length = 0;
    const keyPath = join(folder, `${made - 1}`, "node.key");
    const again = await startNode({ port, keyPath });
    assert.equal(again.network.id, (await b.until("up")).peer);
  });

  it("has nothing more to do with a banned peer", async () => {
    const { a, b } = await pair();
    a.network.ban(b.network.id, "a test");
    await Promise.all([a.until("down"), b.until("down")]);
    assert.deepEqual(a.network.peers, []);
    await assert.rejects(b.network.tickets.get(a.network.id, BLOB, { signal: AbortSignal.timeout(2_000) }), {
      code: "PEER_UNREACHABLE",
    });
  });

  it("cuts streams of garbage and goes on with the peer that sent it", async () => {
    const { a, b } = await pair();
    for (const protocol of [STATE_PROTOCOL, TALK_PROTOCOL, SHARD_PROTOCOL]) {
      for (const garbage of [Buffer.alloc(10, 255), Buffer.from([5, 1, 2, 3, 4, 5]), randomBytes(5_000)]) {
        const signal = AbortSignal.timeout(DEADLINE_MS);
        const stream = await b.network.openStream(a.network.id, protocol, { signal });
        await stream.sink([garbage]).catch(() => undefined);
        // Whatever comes back, the other side ends it.
        await drain(stream.source).catch(() => undefined);
      }
    }
    b.network.announce(announcement(1));
    await a.until("heard");
  });

  it("is not held up by connections that say nothing or nonsense", async () => {
    const a = await startNode();
    const port = Number(addressOf(a).split("/").at(-1));
    const sockets = Array.from({ length: 20 }, () => connect(port, "127.0.0.1").on("error", () => undefined));
    for (const [index, socket] of sockets.entries()) if (index % 2 === 0) socket.write(randomBytes(500));
    const b = await startNode({ peers: [addressOf(a)] });
    await Promise.all([a.until("up"), b.until("up")]);
    for (const socket of sockets) socket.destroy();
  });

  it("lets nobody in without the swarm key", async () => {
    const swarmKey = new Uint8Array(95);
    generateKey(swarmKey);
    const a = await startNode({ swarmKey });
    const stranger = await startNode({ peers: [addressOf(a)] });
    const member = await startNode({ swarmKey, peers: [addressOf(a)] });
    await Promise.all([a.until("up", ({ peer }) => peer === member.network.id), member.until("up")]);
    assert.deepEqual(stranger.happened, []);
    assert.deepEqual(
      a.network.peers.map(({ id }) => id),
      [member.network.id],
    );
  });

  it("keeps its name, in a file that only its owner can read", async () => {
    const keyPath = join(folder, "kept", "node.key");
    const first = await startNode({ keyPath });
    const { id } = first.network;
    await first.network.stop();
    const second = await startNode({ keyPath });
    assert.equal(second.network.id, id);
    assert.equal((await stat(keyPath)).mode & 0o777, 0o600);
    assert.ok((await readFile(keyPath)).length > 60);
  });

  it("says that its port is taken", async () => {
    const a = await startNode();
    const port = Number(addressOf(a).split("/").at(-1));
    await assert.rejects(startNode({ port }), { code: "ADDRESS_IN_USE" });
  });

  it("stops within a second, with peers connected", async () => {
    const { a, b } = await pair();
    const startMs = performance.now();
    await Promise.all([a.network.stop(), b.network.stop()]);
    assert.ok(performance.now() - startMs < 1_000);
  });

  describe("libp2p lane", () => {
    async function fetch(node: TestNode, peer: NodeId, startBytes: number, endBytes: number, blob = BLOB) {
      const chunks: Uint8Array[] = [];
      const sink = {
        write(chunk: Uint8Array) {
          chunks.push(chunk);
          return undefined;
        },
      };
      await node.lane.source(peer).read(blob, startBytes, endBytes, sink, { signal: AbortSignal.timeout(DEADLINE_MS) });
      return Buffer.concat(chunks);
    }

    for (const [id, start, end] of [
      ["a whole blob", 0, CONTENT.length],
      ["a range in the middle", 1_000_001, 2_000_003],
      ["one byte", 5, 6],
    ] as const) {
      it(`brings ${id}`, async () => {
        const { a, b } = await pair();
        assert.ok((await fetch(b, a.network.id, start, end)).equals(CONTENT.subarray(start, end)));
      });
    }

    it("tells why a peer refuses", async () => {
      const { a, b } = await pair();
      const other = parseBlobId(`git-sha1:${"12".repeat(20)}`);
      await assert.rejects(fetch(b, a.network.id, 0, 5, other), { code: "PEER_LACKS" });
    });

    it("gives up on a peer that goes away", async () => {
      const { a, b } = await pair();
      const peer = a.network.id;
      await a.network.stop();
      await b.until("down");
      await assert.rejects(fetch(b, peer, 0, 5), { code: "PEER_UNREACHABLE" });
    });

    it("stops when told to, midway", async () => {
      const { a, b } = await pair();
      const stop = new AbortController();
      const sink = { write: () => new Promise<void>((resolve) => setImmediate(() => resolve(stop.abort()))) };
      const read = b.lane.source(a.network.id).read(BLOB, 0, CONTENT.length, sink, { signal: stop.signal });
      await assert.rejects(read, { code: "INTERRUPTED" });
    });
  });
});

async function drain(source: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of source);
}
