import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type BlobId, parseBlobId, parseNodeId, SwarmError } from "@swarmd/protocol";
import fc from "fast-check";
import type { LaneOutlet, LaneRequest, OpenBlob, Verdict } from "./ports.js";
import { Serve } from "./serve.js";

const BLOB = parseBlobId(`sha256:${"b".repeat(64)}`);
const [A, B] = [parseNodeId("peerA"), parseNodeId("peerB")];
const SHARD_BYTES = 1000;
const never = new AbortController().signal;

/** A blob that arrives when the test says so. */
class ArrivingBlob implements OpenBlob {
  readonly shardBytes = SHARD_BYTES;
  closed = 0;
  readonly #content: Buffer;
  #watermark: number;
  readonly #listeners = new Set<() => void>();

  constructor(content: Buffer, watermark = content.length) {
    this.#content = content;
    this.#watermark = watermark;
  }

  get sizeBytes(): number {
    return this.#content.length;
  }

  async read(positionBytes: number, target: Uint8Array): Promise<void> {
    assert.ok(positionBytes + target.length <= this.#watermark, "read above the watermark");
    this.#content.copy(target, 0, positionBytes);
  }

  servableUpTo(): number {
    return this.#watermark;
  }

  onRise(callback: () => void): () => void {
    this.#listeners.add(callback);
    return () => this.#listeners.delete(callback);
  }

  rise(bytes: number): void {
    this.#watermark = Math.min(this.sizeBytes, this.#watermark + bytes);
    for (const callback of [...this.#listeners]) callback();
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  async close(): Promise<void> {
    this.closed += 1;
  }
}

class Collector implements LaneOutlet {
  readonly chunks: Buffer[] = [];

  async write(chunk: Uint8Array): Promise<void> {
    const before = Buffer.from(chunk);
    await new Promise(setImmediate);
    assert.ok(before.equals(chunk), "the chunk was changed while it was being sent");
    this.chunks.push(before);
  }
}

function setUp(blob: OpenBlob | undefined, verdict: Verdict = { kind: "serve" }, idleMs = 30_000) {
  const served: number[] = [];
  const serve = new Serve(
    { bufferBytes: 64, idleMs },
    {
      admit: { ask: async () => verdict, served: (request) => served.push(request) },
      reader: { open: async (id: BlobId) => (id === BLOB ? blob : undefined) },
    },
  );
  return { serve, served };
}

const ask = (startBytes: number, endBytes?: number, peer = A): LaneRequest => ({
  peer,
  blob: BLOB,
  startBytes,
  endBytes,
});

async function begin(serve: Serve, request: LaneRequest) {
  const answer = await serve.handle(request, { signal: never });
  assert.ok(answer.kind === "serve", `refused: ${JSON.stringify(answer)}`);
  return answer;
}

describe("a request over several shards", () => {
  /** An engine that serves these shards only, and hears of every request. */
  function setUpShards(allowed: readonly number[]) {
    const content = Buffer.alloc(3_500, "x");
    const blob = new ArrivingBlob(content);
    const calls: string[] = [];
    const serve = new Serve(
      { bufferBytes: 64, idleMs: 30_000 },
      {
        admit: {
          ask: async ({ shard, startBytes }) => {
            calls.push(`ask ${shard} from ${startBytes}`);
            const isAllowed = allowed.includes(shard);
            return isAllowed ? { kind: "serve" } : { kind: "refuse", code: "PEER_BUSY", redirect: [B] };
          },
          served: (request) => calls.push(`served ${request}`),
        },
        reader: { open: async () => blob },
      },
    );
    return { blob, calls, serve };
  }

  it("asks for each shard, when the one before it has left", async () => {
    const { serve, calls } = setUpShards([0, 1, 2, 3]);
    const outlet = new Collector();
    await (await begin(serve, ask(700))).send(outlet, { signal: never });
    assert.equal(Buffer.concat(outlet.chunks).length, 2_800);
    const asks = ["ask 0 from 700", "ask 1 from 1000", "ask 2 from 2000", "ask 3 from 3000"];
    assert.deepEqual(
      calls,
      asks.flatMap((line, index) => [line, `served ${index + 1}`]),
    );
  });

  it("is broken off before the first byte of a shard that is refused", async () => {
    const { serve, calls, blob } = setUpShards([0, 1]);
    const outlet = new Collector();
    const sending = (await begin(serve, ask(0))).send(outlet, { signal: never });
    await assert.rejects(sending, { code: "PEER_BUSY", redirect: [B] });
    assert.equal(Buffer.concat(outlet.chunks).length, 2_000);
    assert.deepEqual([calls.filter((line) => line.startsWith("ask")).length, blob.closed], [3, 1]);
    assert.equal(serve.uploads().length, 0);
  });
});

describe("Serve", () => {
  it("sends exactly the range, however it arrives, and never reads above the watermark", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ minLength: 1, maxLength: 3_000 }),
        fc.nat(),
        fc.nat(),
        fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 6 }),
        async (bytes, from, length, rises) => {
          const content = Buffer.from(bytes);
          const startBytes = from % content.length;
          const endBytes = startBytes + 1 + (length % (content.length - startBytes));
          const blob = new ArrivingBlob(content, 0);
          const { serve, served } = setUp(blob);
          const service = await begin(serve, ask(startBytes, endBytes));
          const outlet = new Collector();
          const sending = service.send(outlet, { signal: never });
          for (let i = 0; blob.servableUpTo() < content.length; i += 1) {
            await new Promise(setImmediate);
            blob.rise(rises[i % rises.length] as number);
          }
          await sending;
          assert.ok(Buffer.concat(outlet.chunks).equals(content.subarray(startBytes, endBytes)));
          const shards = Math.ceil(endBytes / blob.shardBytes) - Math.floor(startBytes / blob.shardBytes);
          assert.deepEqual([served.length, blob.closed, blob.listeners, serve.uploads().length], [shards, 1, 0, 0]);
          assert.equal(serve.sentBytesTo(A).get(undefined), endBytes - startBytes);
        },
      ),
      { numRuns: 60 },
    );
  });

  for (const { id, request, code } of [
    { id: "a start at the end", request: ask(10), code: "PEER_FAULT" },
    { id: "an end beyond the end", request: ask(0, 11), code: "PEER_FAULT" },
  ]) {
    it(`refuses ${id}, closes the blob and gives the slot back`, async () => {
      const blob = new ArrivingBlob(Buffer.alloc(10));
      const { serve, served } = setUp(blob);
      const answer = await serve.handle(request, { signal: never });
      assert.ok(answer.kind === "refuse");
      assert.deepEqual([answer.code, answer.sizeBytes, blob.closed, served.length], [code, 10, 1, 1]);
    });

    it(`refuses ${id} without a word of the blob's size to who may not have it`, async () => {
      const blob = new ArrivingBlob(Buffer.alloc(10));
      const { serve, served } = setUp(blob, { kind: "refuse", code: "PEER_LACKS", redirect: [] });
      const nobody = setUp(undefined, { kind: "refuse", code: "PEER_LACKS", redirect: [] });
      const answer = await serve.handle(request, { signal: never });
      assert.deepEqual(answer, await nobody.serve.handle(request, { signal: never }));
      assert.deepEqual([blob.closed, served.length], [1, 0]);
    });
  }

  it("gives the slot back when the engine would serve what is not here", async () => {
    const { serve, served } = setUp(undefined);
    const answer = await serve.handle(ask(0, 5), { signal: never });
    assert.ok(answer.kind === "refuse" && answer.code === "PEER_LACKS");
    assert.equal(served.length, 1);
  });

  it("says which blobs are being read", async () => {
    const blob = new ArrivingBlob(Buffer.alloc(10), 0);
    const { serve } = setUp(blob);
    const service = await begin(serve, ask(0, 10));
    assert.ok(serve.isServing(BLOB));
    const sending = service.send(new Collector(), { signal: never });
    blob.rise(10);
    await sending;
    assert.ok(!serve.isServing(BLOB));
  });

  it("tells whoever was sent wrong bytes, once, and nobody else", async () => {
    const blob = new ArrivingBlob(Buffer.alloc(10), 5);
    const { serve } = setUp(blob);
    const service = await begin(serve, ask(0, 10));
    const sending = service.send(new Collector(), { signal: never });
    serve.stopServing(serve.uploads()[0]?.request ?? 0);
    await assert.rejects(sending, { code: "PEER_TAINTED" });
    assert.equal((await serve.handle(ask(5, 10, B), { signal: never })).kind, "serve");
    const again = await serve.handle(ask(5, 10), { signal: never });
    assert.ok(again.kind === "refuse" && again.code === "PEER_TAINTED");
    assert.equal((await serve.handle(ask(0, 10), { signal: never })).kind, "serve");
  });

  it("gives everything back when the peer goes, when the outlet fails, and when the source is silent", async () => {
    for (const cut of ["abort", "outlet", "silence"] as const) {
      const blob = new ArrivingBlob(Buffer.alloc(100), 50);
      const { serve, served } = setUp(blob, { kind: "serve" }, cut === "silence" ? 20 : 30_000);
      const service = await begin(serve, ask(0, 100));
      const gone = new AbortController();
      const failing: LaneOutlet = { write: async () => Promise.reject(new SwarmError("PEER_UNREACHABLE", "gone")) };
      const sending = service.send(cut === "outlet" ? failing : new Collector(), { signal: gone.signal });
      if (cut === "abort") gone.abort();
      if (cut === "outlet") setImmediate(() => blob.rise(50));
      await assert.rejects(sending, {
        code: { abort: "INTERRUPTED", outlet: "PEER_UNREACHABLE", silence: "PEER_STALLED" }[cut],
      });
      assert.deepEqual([served.length, blob.closed, blob.listeners], [1, 1, 0]);
    }
  });
});
