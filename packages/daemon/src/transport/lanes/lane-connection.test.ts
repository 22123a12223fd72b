/** Where a `LaneConnection` puts the bytes of a body when its taker stops it and wants the rest elsewhere. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { type AddressInfo, createServer, type Server } from "node:net";
import { after, before, describe, it } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { SwarmError } from "@swarmd/protocol";
import { type BodyTaker, LaneConnection } from "./lane-connection.js";
import { LANE_DEADLINES } from "./lane-orders.js";
import type { LaneAddress } from "./ports.js";
import { RateLimit } from "./rate-limit.js";

const BODY = randomBytes(3_000_000);
const HEAD = `HTTP/1.1 206 Partial Content\r\ncontent-length: ${BODY.length}\r\ncontent-range: bytes 0-${BODY.length - 1}/${BODY.length}\r\n\r\n`;

let server: Server;
before(async () => {
  server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => socket.write(Buffer.concat([Buffer.from(HEAD), BODY])));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
after(() => server.close());

/** Fills buffers of one size one after another; stops the sender before it takes the next one, and wipes the last. */
class TurningTaker implements BodyTaker {
  readonly #bufferBytes: number;
  readonly #taken: Buffer[] = [];
  #buffer: Buffer;
  #filled = 0;
  #isTurning = false;
  /** What stops it, in place of the next buffer. */
  fault: SwarmError | undefined;

  constructor(bufferBytes: number) {
    this.#bufferBytes = bufferBytes;
    this.#buffer = Buffer.alloc(bufferBytes);
  }

  begin(): void {}

  target(): Buffer {
    return this.#isTurning ? Buffer.alloc(0) : this.#buffer.subarray(this.#filled);
  }

  take(bytes: number): Promise<void> | undefined {
    this.#filled += bytes;
    return this.#filled < this.#bufferBytes / 2 ? undefined : this.#turn();
  }

  async #turn(): Promise<void> {
    this.#isTurning = true;
    await nextTurn();
    if (this.fault !== undefined) throw this.fault;
    this.#isTurning = false;
    this.#taken.push(Buffer.from(this.#buffer.subarray(0, this.#filled)));
    this.#buffer = Buffer.alloc(this.#bufferBytes);
    this.#filled = 0;
  }

  get bytes(): Buffer {
    return Buffer.concat([...this.#taken, this.#buffer.subarray(0, this.#filled)]);
  }
}

async function fetchInto(taker: BodyTaker): Promise<void> {
  const { port } = server.address() as AddressInfo;
  const address: LaneAddress = { host: "127.0.0.1", port, link: "a" };
  const limit = RateLimit.of(undefined);
  const connection = await LaneConnection.open(address, {
    deadlines: LANE_DEADLINES,
    limit,
    certificateSha256: undefined,
    signal: AbortSignal.timeout(20_000),
  });
  try {
    await connection.exchange("GET / HTTP/1.1\r\n\r\n", taker);
  } finally {
    connection.close(new SwarmError("INTERRUPTED", "the test is over"));
  }
}

describe("LaneConnection", () => {
  for (const bufferBytes of [1_000, 65_536, 300_000, 1_000_000]) {
    it(`puts what comes after a pause where the taker wants it then, in buffers of ${bufferBytes} bytes`, async () => {
      const taker = new TurningTaker(bufferBytes);
      await fetchInto(taker);
      await nextTurn();
      await nextTurn();
      assert.equal(Buffer.compare(taker.bytes, BODY), 0);
    });
  }

  it("ends with what the taker says after a pause", async () => {
    const taker = new TurningTaker(100_000);
    taker.fault = new SwarmError("PEER_CORRUPT", "wrong");
    await assert.rejects(fetchInto(taker), { code: "PEER_CORRUPT" });
  });
});
