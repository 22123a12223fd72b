/** Bytes while they arrive: in order, early, in the order in which readers need them, fetched once, and never a wrong whole file. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { after, afterEach, before, describe, it } from "node:test";
import { readContent, syntheticContent } from "../support/hub/content.js";
import { EmbeddedHub } from "../support/hub/hub.js";
import { startGateway, type TestGateway } from "./gateway-kit.js";

const REPO = "acme/large";
const MIB = 1024 * 1024;
const SIZE = 96 * MIB + 5;

describe("a file that is still on its way", () => {
  let hub: EmbeddedHub;
  let gateway: TestGateway;
  let bytes: Buffer;

  before(async () => {
    const content = syntheticContent({ seed: 41, sizeBytes: SIZE });
    bytes = await readContent(content);
    hub = await EmbeddedHub.start({ repos: [{ name: REPO, files: { "model.safetensors": content } }] });
    await hub.prepare();
  });
  afterEach(async () => {
    hub.faults.clear();
    hub.configure({ uplinkBytesPerSecond: undefined });
    await gateway.stop();
  });
  after(() => hub.stop());

  const path = `/${REPO}/resolve/main/model.safetensors`;

  it("ten readers at once cause one fetch, and get the same", async () => {
    gateway = await startGateway(hub);
    hub.resetStats();
    const answers = await Promise.all(Array.from({ length: 10 }, () => gateway.get(path)));
    for (const { status, body, failure } of answers) {
      assert.equal(failure, undefined);
      assert.equal(status, 200);
      assert.ok(body.equals(bytes));
    }
    assertOneFetch(hub);
  });

  it("the head and the first bytes come long before the last of them is here", async () => {
    gateway = await startGateway(hub);
    hub.configure({ uplinkBytesPerSecond: 30 * MIB });
    const { response, close } = await open(gateway.url + path);
    let received = 0;
    for await (const chunk of response) {
      received += (chunk as Buffer).length;
      if (received > 2 * MIB) break;
    }
    assert.equal(await isWhole(gateway), false);
    close();
  });

  it("a range goes before the rest", async () => {
    gateway = await startGateway(hub);
    hub.configure({ uplinkBytesPerSecond: 20 * MIB });
    hub.resetStats();
    const whole = gateway.get(path);
    const range = `bytes=${SIZE - MIB}-`;
    const tail = await gateway.get(path, { headers: { range }, silenceMs: 30_000 });
    assert.equal(tail.status, 206);
    assert.equal(tail.failure, undefined);
    // The very end waits for the check of the whole file; what lies before it does not.
    assert.ok(tail.body.equals(bytes.subarray(SIZE - MIB)));
    const early = await gateway.get(path, { headers: { range: "bytes=50331648-50331999" } });
    assert.ok(early.body.equals(bytes.subarray(50331648, 50332000)));
    assert.ok((await whole).body.equals(bytes));
    assertOneFetch(hub);
  });

  it("a range in the middle is there before half of the file is", async () => {
    gateway = await startGateway(hub, { workers: 2 });
    hub.configure({ uplinkBytesPerSecond: 20 * MIB });
    hub.resetStats();
    const whole = gateway.get(path);
    const at = 80 * MIB;
    const middle = await gateway.get(path, { headers: { range: `bytes=${at}-${at + 999}` } });
    const sent = hub.stats().bytesSent;
    assert.ok(middle.body.equals(bytes.subarray(at, at + 1000)));
    assert.ok(sent < 0.75 * SIZE, `${sent} bytes had left the Hub by then`);
    await whole;
  });

  it("a reader who leaves does not stop it for the others, or for himself when he comes back", async () => {
    gateway = await startGateway(hub);
    hub.configure({ uplinkBytesPerSecond: 60 * MIB });
    hub.resetStats();
    const leaver = gateway.get(path, { abortAfterBytes: MIB });
    const stayer = gateway.get(path);
    const { failure, body } = await leaver;
    assert.equal(failure, "aborted");
    const resumed = await gateway.get(path, { headers: { range: `bytes=${body.length}-` } });
    assert.equal(resumed.status, 206);
    assert.ok(Buffer.concat([body, resumed.body]).equals(bytes));
    assert.ok((await stayer).body.equals(bytes));
    assertOneFetch(hub);
  });

  it("wrong bytes of the Hub's never make a whole file", async () => {
    gateway = await startGateway(hub);
    hub.faults.set([{ kind: "wrongBytes", atByte: SIZE - 5 * MIB, on: ["resolve", "cdn"] }]);
    const { status, body, failure } = await gateway.get(path);
    assert.equal(status, 200);
    assert.notEqual(failure, undefined);
    assert.ok(body.length < SIZE);
    hub.faults.clear();
    // What was on its way before may still be wrong: then the answer breaks off too.
    for (let tries = 1; ; tries += 1) {
      const again = await gateway.get(path);
      if (again.failure === undefined && again.status === 200) {
        assert.ok(again.body.equals(bytes));
        break;
      }
      assert.ok(tries < 5);
    }
  });

  it("who was sent wrong bytes is cut off, and gets all of it anew, though it is right by then", async () => {
    gateway = await startGateway(hub);
    hub.faults.set([{ kind: "wrongBytes", atByte: MIB, times: 1, on: ["resolve", "cdn"] }]);
    const first = await gateway.get(path);
    assert.notEqual(first.failure, undefined);
    assert.ok(first.body.length > MIB && first.body.length < SIZE);
    assert.ok(!first.body.equals(bytes.subarray(0, first.body.length)));
    const again = await gateway.get(path, { headers: { range: `bytes=${first.body.length}-` } });
    assert.equal(again.status, 200);
    assert.ok(again.body.equals(bytes));
  });

  it("never falls silent for ten seconds while there is anything to send", { timeout: 60_000 }, async () => {
    gateway = await startGateway(hub, { workers: 1 });
    // After 20 MiB nothing comes for 12 s.
    hub.faults.set([{ kind: "stall", afterBytes: 4 * MIB, forMs: 12_000, skip: 1, times: 1, on: "cdn" }]);
    const { response, close } = await open(gateway.url + path);
    let longest = 0;
    let lastMs = performance.now();
    const received: Buffer[] = [];
    for await (const chunk of response) {
      longest = Math.max(longest, performance.now() - lastMs);
      lastMs = performance.now();
      received.push(chunk as Buffer);
    }
    close();
    assert.ok(Buffer.concat(received).equals(bytes));
    assert.ok(longest < 9_000, `${longest} ms without a byte`);
  });
});

/** On a busy machine a connection may be given up as silent, and what it had in hand is sent again: but never a second file. */
function assertOneFetch(hub: EmbeddedHub): void {
  const { bytesSent } = hub.stats();
  assert.ok(bytesSent >= SIZE && bytesSent < 1.3 * SIZE, `${bytesSent} bytes left the Hub, for a file of ${SIZE}`);
}

async function open(url: string) {
  const asked = request(url, { agent: false }).end();
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  response.on("error", () => undefined);
  return { response, close: () => asked.destroy() };
}

/** Whether nothing is on its way any more. */
async function isWhole(gateway: TestGateway): Promise<boolean> {
  const { partial } = await gateway.node.views.list({ signal: AbortSignal.timeout(10_000) });
  return partial.length === 0;
}
