import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { connect, type Socket } from "node:net";
import { afterEach, beforeEach, describe, it } from "node:test";
import { promisify } from "node:util";
import { makeLaneCertificate } from "@swarmd/daemon/transport/lanes/lane-certificate";
import { RateLimit } from "@swarmd/daemon/transport/lanes/rate-limit";
import { parseBlobId } from "@swarmd/protocol";
import fc from "fast-check";
import { ASKER, DirectLane, type DirectLaneSetup, HOLDER } from "../support/direct-lane.js";
import { LaneNode } from "../support/lane-node.js";

const run = promisify(execFile);
const KIB = 1024;
const BLOB = parseBlobId(`sha256:${"7e".repeat(32)}`);
const OTHER_BLOB = parseBlobId(`sha256:${"7f".repeat(32)}`);
const SHARD_BYTES = 256 * KIB;
const SIZE_BYTES = 4 * SHARD_BYTES;
const CONTENT = Buffer.alloc(SIZE_BYTES, "the quick brown fox jumps over the lazy dog, again and again; ");

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function startNode(sizeBytes = SIZE_BYTES): Promise<LaneNode> {
  const node = await LaneNode.start({ id: BLOB, sizeBytes, shardBytes: SHARD_BYTES });
  stops.push(() => node.stop());
  return node;
}

async function startPair(setup: DirectLaneSetup = {}) {
  const [sender, receiver] = [await startNode(), await startNode()];
  await sender.put(CONTENT, 0, SIZE_BYTES);
  const lane = await DirectLane.start(sender.serve, setup);
  stops.push(() => lane.stop());
  return { sender, receiver, lane };
}

/** What a server answers to raw bytes; resolves when it closes the connection or has sent `enough`. */
function exchange(port: number, bytes: string | Buffer, enough = /\r\n\r\n/): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes));
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      if (enough.test(text)) socket.destroy();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(text));
  });
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.on("error", () => undefined);
    socket.once("close", () => resolve());
    socket.resume();
  });
}

describe("curl on the direct lane", () => {
  it("fetches a range, and the whole, with a ticket in the query or in the header", async () => {
    const { lane } = await startPair();
    const { ticket } = lane.give(BLOB);
    const url = `http://127.0.0.1:${lane.server.port}/blobs/${BLOB}`;
    const curl = async (...args: string[]) =>
      (await run("curl", ["-s", ...args], { encoding: "buffer", maxBuffer: 2 * SIZE_BYTES })).stdout;
    assert.ok((await curl("-H", "Range: bytes=100-299", `${url}?ticket=${ticket}`)).equals(CONTENT.subarray(100, 300)));
    assert.ok((await curl("-H", `Authorization: Bearer ${ticket}`, url)).equals(CONTENT));
    assert.ok((await curl("-H", "Range: bytes=1048000-", `${url}?ticket=${ticket}`)).equals(CONTENT.subarray(1048000)));
    const head = (await curl("-I", `${url}?ticket=${ticket}`)).toString();
    assert.match(head, /^HTTP\/1.1 200 /);
    assert.match(head, /content-length: 1048576/i);
  });

  it("fetches over TLS", async () => {
    const { lane } = await startPair({ certificate: await makeLaneCertificate() });
    const { ticket } = lane.give(BLOB);
    const url = `https://127.0.0.1:${lane.server.port}/blobs/${BLOB}?ticket=${ticket}`;
    const { stdout } = await run("curl", ["-sk", "-r", "5-9", url], { encoding: "buffer" });
    assert.ok(stdout.equals(CONTENT.subarray(5, 10)));
  });
});

describe("statuses of the direct lane", () => {
  let lane: DirectLane;
  let sender: LaneNode;
  beforeEach(async () => {
    ({ lane, sender } = await startPair());
  });

  for (const { id, path, headers, status } of [
    { id: "no ticket", path: `/blobs/${BLOB}`, headers: [], status: 401 },
    { id: "a wrong ticket", path: `/blobs/${BLOB}?ticket=abc.def`, headers: [], status: 401 },
    { id: "a ticket for another blob", path: `/blobs/${OTHER_BLOB}?ticket=TICKET`, headers: [], status: 401 },
    { id: "another path", path: "/", headers: [], status: 404 },
    { id: "no blob id", path: "/blobs/..%2f..%2fetc%2fpasswd?ticket=TICKET", headers: [], status: 404 },
    { id: "broken percent signs", path: "/blobs/%zz", headers: [], status: 404 },
    {
      id: "a range beyond the end",
      path: `/blobs/${BLOB}?ticket=TICKET`,
      headers: ["Range: bytes=0-1048576"],
      status: 416,
    },
    {
      id: "a range that starts at the end",
      path: `/blobs/${BLOB}?ticket=TICKET`,
      headers: ["Range: bytes=1048576-"],
      status: 416,
    },
    { id: "a range backwards", path: `/blobs/${BLOB}?ticket=TICKET`, headers: ["Range: bytes=5-4"], status: 416 },
    { id: "several ranges", path: `/blobs/${BLOB}?ticket=TICKET`, headers: ["Range: bytes=0-1,4-5"], status: 416 },
    { id: "a request with a body", path: `/blobs/${BLOB}?ticket=TICKET`, headers: ["Content-Length: 4"], status: 400 },
    { id: "a range", path: `/blobs/${BLOB}?ticket=TICKET`, headers: ["Range: bytes=0-9"], status: 206 },
    { id: "the whole", path: `/blobs/${BLOB}?ticket=TICKET`, headers: [], status: 200 },
  ]) {
    it(`answers ${status} to ${id}`, async () => {
      const filled = path.replace("TICKET", lane.give(BLOB).ticket);
      const request = [`GET ${filled} HTTP/1.1`, "Host: x", ...headers, "\r\n"].join("\r\n");
      assert.match(await exchange(lane.server.port, request), new RegExp(`^HTTP/1\\.1 ${status} `));
    });
  }

  for (const { code, status } of [
    { code: "PEER_BUSY", status: 503 },
    { code: "PEER_LACKS", status: 404 },
    { code: "PEER_DENIED", status: 403 },
  ] as const) {
    it(`answers ${status} to what the engine refuses with ${code}, and says who else to ask`, async () => {
      sender.verdict = { kind: "refuse", code, redirect: [HOLDER] };
      const request = `GET /blobs/${BLOB}?ticket=${lane.give(BLOB).ticket} HTTP/1.1\r\nHost: x\r\n\r\n`;
      const answer = await exchange(lane.server.port, request, /\}\n$/);
      assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `));
      assert.match(answer, new RegExp(`"redirect":\\["${HOLDER}"\\]`));
    });
  }

  it("answers 409 to whoever comes back for a shard that proved wrong", async () => {
    const slow = connect(lane.server.port, "127.0.0.1");
    const request = `GET /blobs/${BLOB}?ticket=${lane.give(BLOB).ticket} HTTP/1.1\r\nHost: x\r\n\r\n`;
    slow.write(request);
    await new Promise((resolve) => slow.once("readable", resolve));
    while (sender.serve.uploads().length === 0 && sender.servedCount === 0) await new Promise(setImmediate);
    sender.serve.stopServing(sender.lastRequest);
    await closed(slow);
    // The whole may have been in the kernel's buffers already: then there was nothing to break off.
    const answer = await exchange(lane.server.port, request);
    assert.match(answer, /^HTTP\/1\.1 (?:409|200) /);
  });
});

describe("bad company on the direct lane", () => {
  const deadlines = { headMs: 150, idleMs: 200, totalMs: 2_000, keepMs: 150 };

  for (const { id, bytes } of [
    { id: "garbage", bytes: Buffer.from([0, 1, 2, 3, 255, 254, 13, 10, 13, 10]) },
    { id: "a TLS hello on the plain port", bytes: Buffer.from("16030100c8010000c40303", "hex") },
    { id: "HTTP/2", bytes: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" },
    { id: "oversize headers", bytes: `GET / HTTP/1.1\r\nHost: x\r\nX: ${"a".repeat(20_000)}\r\n\r\n` },
    { id: "an endless request line", bytes: `GET /${"a".repeat(20_000)}` },
    { id: "two lengths", bytes: "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n" },
  ]) {
    it(`is rid of ${id}`, async () => {
      const { lane } = await startPair({ server: { deadlines } });
      const answer = await exchange(lane.server.port, bytes, /never/);
      assert.doesNotMatch(answer, /^HTTP\/1\.1 2/);
    });
  }

  for (const { id, bytes } of [
    { id: "says nothing", bytes: "" },
    { id: "stops in the middle of a header", bytes: "GET / HTTP/1.1\r\nHo" },
  ]) {
    it(`cuts a connection that ${id}`, async () => {
      const { lane } = await startPair({ server: { deadlines } });
      const socket = connect(lane.server.port, "127.0.0.1");
      if (bytes !== "") socket.write(bytes);
      await closed(socket);
    });
  }

  it("cuts a reader that takes nothing, and gives its slot back", async () => {
    const { lane, sender } = await startPair({ server: { deadlines } });
    const big = await LaneNode.start({ id: BLOB, sizeBytes: 64 * 1024 * KIB, shardBytes: SHARD_BYTES });
    stops.push(() => big.stop());
    await big.put(Buffer.alloc(64 * 1024 * KIB, 1), 0, 64 * 1024 * KIB);
    const bigLane = await DirectLane.start(big.serve, { server: { deadlines } });
    stops.push(() => bigLane.stop());
    const before = process.memoryUsage().arrayBuffers;
    const readers = Array.from({ length: 8 }, () => {
      const socket = connect(bigLane.server.port, "127.0.0.1");
      socket.pause();
      socket.write(`GET /blobs/${BLOB}?ticket=${bigLane.give(BLOB).ticket} HTTP/1.1\r\nHost: x\r\n\r\n`);
      return socket;
    });
    const begun = () => big.asked.filter(({ startBytes }) => startBytes === 0).length;
    const isOver = () => begun() === readers.length && big.servedCount === big.asked.length;
    while (!isOver()) await new Promise((resolve) => setTimeout(resolve, 5));
    const grownBytes = process.memoryUsage().arrayBuffers - before;
    assert.ok(grownBytes < 8 * 3 * 1024 * KIB, `${grownBytes} bytes for ${readers.length} slow readers`);
    for (const socket of readers) socket.destroy();
    assert.equal(big.serve.uploads().length, 0);
    assert.equal(sender.servedCount, 0);
    assert.ok(lane.server.port > 0);
  });

  it("survives any bytes, and serves on", async () => {
    const { lane, receiver } = await startPair({ server: { deadlines } });
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), fc.boolean(), async (bytes, isAlmostRight) => {
        const prefix = isAlmostRight ? `GET /blobs/${BLOB}?ticket=${lane.give(BLOB).ticket} HTTP/1.1\r\n` : "";
        const socket = connect(lane.server.port, "127.0.0.1");
        socket.end(Buffer.concat([Buffer.from(prefix), bytes]));
        await closed(socket);
      }),
      { numRuns: 40 },
    );
    assert.equal((await receiver.fetch(lane.client.source(HOLDER, "lo"), 0, SIZE_BYTES).done).fault, undefined);
  });

  it("refuses more connections than it has for one address, and takes new ones when old ones go", async () => {
    const { lane } = await startPair({ server: { mostConnectionsPerHost: 4 } });
    const sockets = Array.from({ length: 4 }, () => connect(lane.server.port, "127.0.0.1"));
    await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once("connect", resolve))));
    await closed(connect(lane.server.port, "127.0.0.1"));
    for (const socket of sockets) socket.destroy();
    const request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    let answer = "";
    while (answer === "") answer = await exchange(lane.server.port, request);
    assert.match(answer, /^HTTP\/1\.1 404/);
  });
});

describe("tickets on the direct lane", () => {
  it("one serves many requests; an expired one is replaced without anybody noticing", async () => {
    const { lane, receiver } = await startPair({ ticketMs: 1_000_000 });
    const source = lane.client.source(HOLDER, "lo");
    for (const shard of [0, 1]) {
      const range = [shard * SHARD_BYTES, (shard + 1) * SHARD_BYTES] as const;
      assert.equal((await receiver.fetch(source, ...range).done).fault, undefined);
    }
    assert.equal(lane.ticketsGiven, 1);
    lane.serverAheadMs = 2_000_000;
    assert.equal((await receiver.fetch(source, 2 * SHARD_BYTES, 3 * SHARD_BYTES).done).fault, undefined);
    assert.equal(lane.ticketsGiven, 2);
  });

  it("gives up after a second ticket that is not taken", async () => {
    const { lane, receiver } = await startPair();
    lane.forge = (ticket) => ({ ...ticket, ticket: "no.good" });
    const { fault } = await receiver.fetch(lane.client.source(HOLDER, "lo"), 0, SHARD_BYTES).done;
    assert.equal(fault?.code, "PEER_DENIED");
    assert.equal(lane.ticketsGiven, 2);
  });

  it("a revoked peer is not served", async () => {
    const { lane, receiver } = await startPair();
    const kept = lane.give(BLOB);
    lane.tickets.revoke(ASKER);
    lane.forge = () => kept;
    const { fault } = await receiver.fetch(lane.client.source(HOLDER, "lo"), 0, SHARD_BYTES).done;
    assert.equal(fault?.code, "PEER_DENIED");
  });

  it("a certificate other than the ticket's is refused before a byte is sent", async () => {
    const { lane, receiver, sender } = await startPair({ certificate: await makeLaneCertificate() });
    lane.forge = (ticket) => ({ ...ticket, certificateSha256: "0".repeat(64) });
    const { fault } = await receiver.fetch(lane.client.source(HOLDER, "lo"), 0, SHARD_BYTES).done;
    assert.equal(fault?.code, "PEER_FAULT");
    assert.equal(sender.asked.length, 0);
  });
});

/** Two shards were asked for, the second broke off at 300,000 bytes, and the sender knows: more bytes could go nowhere else now. */
async function brokenOff(sender: LaneNode): Promise<void> {
  while (sender.asked.length < 3 || sender.servedCount < 2) await new Promise(setImmediate);
}

/** From the byte reached, and no byte was sent twice. */
async function assertWentOn(sender: LaneNode): Promise<void> {
  // The receiver may have the last bytes before the sender has counted them.
  while (sender.servedCount < sender.asked.length) await new Promise(setImmediate);
  assert.deepEqual(
    sender.asked.map(({ startBytes }) => startBytes),
    // Each shard is asked for; and the one that broke off midway again, from the byte reached.
    [0, SHARD_BYTES, 300_000, 2 * SHARD_BYTES, 3 * SHARD_BYTES],
  );
  const sentBytes = [...sender.serve.sentBytesTo(ASKER).values()].reduce((sum, bytes) => sum + bytes, 0);
  assert.equal(sentBytes, SIZE_BYTES);
}

describe("links of the direct lane", () => {
  it("takes the next address when the first refuses", async () => {
    const { lane, receiver } = await startPair();
    const good = lane.addresses;
    await lane.proxy.stop();
    lane.addresses = [
      { link: "thunderbolt0", host: "127.0.0.1", port: 1 },
      { link: "eth0", host: "127.0.0.1", port: lane.server.port },
    ];
    assert.notDeepEqual(lane.addresses, good);
    const fetched = await receiver.fetch(lane.client.source(HOLDER, "thunderbolt0"), 0, SIZE_BYTES).done;
    assert.deepEqual(fetched, { positionBytes: SIZE_BYTES, fault: undefined });
    assert.equal(lane.deliveries[0]?.link, "eth0");
    await receiver.assertHolds(CONTENT, 0, SIZE_BYTES);
  });

  it("takes the next address after the head start when the first says nothing", async () => {
    const { lane, receiver } = await startPair({ client: { deadlines: { headStartMs: 50 } } });
    // Nobody answers there: RFC 5737.
    lane.addresses = [
      { link: "wifi", host: "192.0.2.1", port: 9 },
      { link: "eth0", host: "127.0.0.1", port: lane.server.port },
    ];
    assert.equal((await receiver.fetch(lane.client.source(HOLDER, "wifi"), 0, SIZE_BYTES).done).fault, undefined);
  });

  it("goes on over the next link when one is cut midway, without losing a byte", async () => {
    const [sender, receiver] = [await startNode(), await startNode()];
    await sender.put(CONTENT, 0, 300_000);
    const lane = await DirectLane.start(sender.serve);
    stops.push(() => lane.stop());
    lane.addresses = [...lane.addresses, { link: "eth0", host: "127.0.0.1", port: lane.server.port }];
    const fetch = receiver.fetch(lane.client.source(HOLDER, "lo"), 0, SIZE_BYTES);
    await fetch.reached(300_000);
    await lane.proxy.stop();
    await brokenOff(sender);
    await sender.put(CONTENT, 300_000, SIZE_BYTES);
    assert.deepEqual(await fetch.done, { positionBytes: SIZE_BYTES, fault: undefined });
    await assertWentOn(sender);
    assert.equal(lane.deliveries[0]?.link, "eth0");
    await receiver.assertHolds(CONTENT, 0, SIZE_BYTES);
  });

  it("goes on over the next link when an address is gone, though its connection says nothing", async () => {
    const [sender, receiver] = [await startNode(), await startNode()];
    await sender.put(CONTENT, 0, 300_000);
    const lane = await DirectLane.start(sender.serve);
    stops.push(() => lane.stop());
    lane.addresses = [
      { link: "thunderbolt0", host: "127.0.0.1", port: lane.server.port },
      { link: "eth0", host: "localhost", port: lane.server.port },
    ];
    const fetch = receiver.fetch(lane.client.source(HOLDER, "thunderbolt0"), 0, SIZE_BYTES);
    await fetch.reached(300_000);
    lane.client.addressesGone(["127.0.0.2"]);
    lane.client.addressesGone(["127.0.0.1"]);
    await brokenOff(sender);
    await sender.put(CONTENT, 300_000, SIZE_BYTES);
    assert.deepEqual(await fetch.done, { positionBytes: SIZE_BYTES, fault: undefined });
    await assertWentOn(sender);
    assert.equal(lane.deliveries[0]?.link, "eth0");
    await receiver.assertHolds(CONTENT, 0, SIZE_BYTES);
  });

  it("uses a connection again", async () => {
    const { lane, receiver } = await startPair();
    const source = lane.client.source(HOLDER, "lo");
    for (let shard = 0; shard < 4; shard += 1) {
      await receiver.fetch(source, shard * SHARD_BYTES, (shard + 1) * SHARD_BYTES).done;
    }
    assert.equal(lane.proxy.connections, 1);
    await receiver.assertHolds(CONTENT, 0, SIZE_BYTES);
  });

  it("does not blame a peer that closed a resting connection", async () => {
    const { lane, receiver } = await startPair();
    const source = lane.client.source(HOLDER, "lo");
    await receiver.fetch(source, 0, SHARD_BYTES).done;
    lane.proxy.cut();
    assert.equal((await receiver.fetch(source, SHARD_BYTES, 2 * SHARD_BYTES).done).fault, undefined);
  });

  it("says so when there is no address", async () => {
    const { lane, receiver } = await startPair();
    lane.addresses = [];
    const { fault } = await receiver.fetch(lane.client.source(HOLDER, "lo"), 0, SHARD_BYTES).done;
    assert.equal(fault?.code, "PEER_UNREACHABLE");
  });
});

describe("a peer that breaks the protocol", () => {
  for (const { id, answer, code } of [
    { id: "speaks another protocol", answer: "SSH-2.0-OpenSSH_9.6\r\n\r\n", code: "PEER_FAULT" },
    { id: "sends another range", answer: head(206, 10, "bytes 5-14/1048576") + "x".repeat(10), code: "PEER_FAULT" },
    { id: "has a blob of another size", answer: head(206, SHARD_BYTES, "bytes 0-262143/9999999"), code: "PEER_FAULT" },
    { id: "answers 200", answer: head(200, SHARD_BYTES), code: "PEER_FAULT" },
    { id: "sends more than it said", answer: `${head(503, 2)}{}too much`, code: "PEER_FAULT" },
    { id: "explains endlessly", answer: head(503, 100_000_000), code: "PEER_FAULT" },
    { id: "has endless headers", answer: `HTTP/1.1 206 OK\r\nX: ${"y".repeat(70_000)}`, code: "PEER_FAULT" },
    { id: "sends chunks", answer: "HTTP/1.1 206 OK\r\nTransfer-Encoding: chunked\r\n\r\n", code: "PEER_FAULT" },
    { id: "refuses without a reason", answer: `${head(503, 7)}not js!`, code: "PEER_BUSY" },
    { id: "answers 500", answer: `${head(500, 2)}{}`, code: "PEER_FAULT" },
    { id: "does not answer", answer: "", code: "PEER_STALLED" },
    { id: "stops in the middle of the head", answer: "HTTP/1.1 206 O", code: "PEER_STALLED" },
    {
      id: "stops in the middle of the body",
      answer: `${head(206, SHARD_BYTES, "bytes 0-262143/1048576")}xyz`,
      code: "PEER_STALLED",
    },
  ]) {
    it(`is found out when it ${id}`, async () => {
      const receiver = await startNode();
      const { createServer } = await import("node:net");
      const server = createServer((socket) => {
        socket.on("error", () => undefined);
        socket.once("data", () => socket.write(answer));
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      stops.push(async () => void server.close());
      const lane = await DirectLane.start(receiver.serve, {
        client: { deadlines: { answerMs: 150, idleMs: 150 } },
      });
      stops.push(() => lane.stop());
      lane.addresses = [{ link: "lo", host: "127.0.0.1", port: (server.address() as { port: number }).port }];
      const { fault } = await receiver.fetch(lane.client.source(HOLDER, "lo"), 0, SHARD_BYTES).done;
      assert.equal(fault?.code, code, fault?.message);
    });
  }
});

function head(status: number, lengthBytes: number, range?: string): string {
  const lines = [`HTTP/1.1 ${status} Whatever`, `Content-Length: ${lengthBytes}`];
  if (range !== undefined) lines.push(`Content-Range: ${range}`);
  return `${lines.join("\r\n")}\r\n\r\n`;
}

describe("two sources of one shard", () => {
  it("bytes that count are not written over by the slower one, and a mixture with wrong ones is found out", async () => {
    const [good, bad, receiver] = [await startNode(), await startNode(), await startNode()];
    await good.put(CONTENT, 0, 100_000);
    await bad.put(Buffer.alloc(SIZE_BYTES, "wrong"), 0, SIZE_BYTES);
    const lanes = [await DirectLane.start(good.serve), await DirectLane.start(bad.serve)] as const;
    stops.push(async () => void (await Promise.all(lanes.map((lane) => lane.stop()))));
    const first = receiver.fetch(lanes[0].client.source(HOLDER, "lo"), 0, SHARD_BYTES);
    await first.reached(100_000);
    // One in another thread, one on the main thread's way to the file.
    assert.equal((await receiver.fetch(lanes[1].client.source(HOLDER, "lo"), 0, 200_000).done).fault, undefined);
    await receiver.put(CONTENT, 0, SHARD_BYTES);
    await good.put(CONTENT, 100_000, SHARD_BYTES);
    // All that it sent was right; what is in the file is not.
    assert.equal((await first.done).fault?.code, "PEER_CORRUPT");
    assert.ok(!receiver.staging.isChecked(0));
    const file = await receiver.bytes(SHARD_BYTES);
    assert.ok(file.subarray(0, 100_000).equals(CONTENT.subarray(0, 100_000)), "the first source's bytes are gone");
    assert.ok(file.subarray(100_000, 200_000).equals(Buffer.alloc(SIZE_BYTES, "wrong").subarray(100_000, 200_000)));
    assert.ok(file.subarray(200_000).equals(CONTENT.subarray(200_000, SHARD_BYTES)));
  });

  it("sealing the file stops whoever writes to it", async () => {
    const [sender, receiver] = [await startNode(), await startNode()];
    await sender.put(CONTENT, 0, 100_000);
    const lane = await DirectLane.start(sender.serve);
    stops.push(() => lane.stop());
    const fetch = receiver.fetch(lane.client.source(HOLDER, "lo"), 0, SHARD_BYTES);
    await fetch.reached(100_000);
    await receiver.staging.seal();
    const { fault, positionBytes } = await fetch.done;
    assert.equal(fault?.code, "INTERRUPTED");
    assert.equal(positionBytes, 100_000);
  });
});

describe("limits of the direct lane", () => {
  it("holds a download to its rate, and lets go when the limit goes", async () => {
    const { lane, receiver } = await startPair();
    lane.downloadLimit.set(SIZE_BYTES);
    const startedMs = performance.now();
    const fetch = receiver.fetch(lane.client.source(HOLDER, "lo"), 0, SIZE_BYTES);
    assert.equal((await fetch.done).fault, undefined);
    const elapsedMs = performance.now() - startedMs;
    assert.ok(elapsedMs > 700, `one second's worth came in ${elapsedMs} ms`);
  });

  for (const over of ["plain", "TLS"] as const) {
    it(`holds an upload to its rate, ${over}`, async () => {
      const spec = { id: BLOB, sizeBytes: SIZE_BYTES, shardBytes: SHARD_BYTES };
      const sender = await LaneNode.start(spec, {}, RateLimit.of(SIZE_BYTES));
      const receiver = await startNode();
      stops.push(() => sender.stop());
      await sender.put(CONTENT, 0, SIZE_BYTES);
      const lane = await DirectLane.start(
        sender.serve,
        over === "TLS" ? { certificate: await makeLaneCertificate() } : {},
      );
      stops.push(() => lane.stop());
      const startedMs = performance.now();
      assert.equal((await receiver.fetch(lane.client.source(HOLDER, "lo"), 0, SIZE_BYTES).done).fault, undefined);
      const elapsedMs = performance.now() - startedMs;
      assert.ok(elapsedMs > 700, `one second's worth left in ${elapsedMs} ms`);
      await receiver.assertHolds(CONTENT, 0, SIZE_BYTES);
    });
  }

  it("is one limit for all who share it, and can be changed at any time", () => {
    const limit = RateLimit.of(1_000_000);
    const other = RateLimit.join(limit.shared);
    assert.equal(limit.reserve(50_000), 0);
    const waitMs = other.reserve(1_000_000);
    assert.ok(waitMs > 900 && waitMs <= 1_050, `${waitMs}`);
    other.set(undefined);
    assert.equal(limit.bytesPerSecond, undefined);
    assert.equal(limit.reserve(1e12), 0);
  });
});
