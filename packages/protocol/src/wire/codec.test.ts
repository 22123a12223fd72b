import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { SwarmError } from "../errors.js";
import { parseBlobId, parseNodeId } from "../ids.js";
import { bitfieldBytes, packBits, unpackBits } from "./bitfield.js";
import {
  decodeControlRequest,
  decodeControlResponse,
  decodeNews,
  decodeShardAnswer,
  decodeShardRequest,
  encodeControlRequest,
  encodeControlResponse,
  encodeNews,
  encodeShardAnswer,
  encodeShardRequest,
} from "./codec.js";
import { BLOBS_MAX, LANES_MAX, RECORDS_MAX, SHARDS_MAX, STATE_MESSAGE_BYTES_MAX, TTL_MS_MAX } from "./limits.js";
import { type ControlResponse, type Hello, LINK_CLASSES, type PeerNews, type WireBlobNews } from "./types.js";

const hex = (length: number) =>
  fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: length, maxLength: length });
const whole = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const blob = fc
  .oneof(
    hex(64).map((digest) => `sha256:${digest}`),
    hex(40).map((digest) => `git-sha1:${digest}`),
    fc.tuple(hex(64), hex(16), whole).map(([url, validator, size]) => `url:${url}:${validator}:${size}`),
  )
  .map(parseBlobId);
const shards = fc.array(fc.nat({ max: SHARDS_MAX - 1 }), { maxLength: 20 });
const holds: fc.Arbitrary<WireBlobNews["holds"]> = fc.oneof(
  fc.constant({ kind: "all" } as const),
  shards.map((list) => ({ kind: "more", shards: list }) as const),
  fc
    .tuple(fc.nat({ max: 300 }), fc.array(fc.nat({ max: 300 })))
    .map(([size, members]) => ({ kind: "exactly", size, bits: packBits(size, members) }) as const),
);
const blobNews: fc.Arbitrary<WireBlobNews> = fc.record({
  blob,
  sizeBytes: whole,
  wants: fc.boolean(),
  mayFetch: fc.boolean(),
  holds,
  rooted: shards,
});
const record = fc.record({
  epoch: whole,
  sequence: whole,
  ttlMs: fc.nat({ max: TTL_MS_MAX }),
  isFull: fc.boolean(),
  capacityBytesPerS: whole,
  freeSlots: fc.nat({ max: 2 ** 32 - 1 }),
  blobs: fc.array(blobNews, { maxLength: 5 }),
});
const lane = fc.record({
  host: fc.oneof(
    fc.ipV4(),
    fc.ipV6().filter((host) => host.length > 1),
  ),
  port: fc.integer({ min: 1, max: 65_535 }),
  class: fc.constantFrom(...LINK_CLASSES),
  speedBytesPerS: whole,
  prefixBits: fc.nat({ max: 128 }),
});
const lanes = fc.array(lane, { maxLength: 4 });
const printable = fc.string({ unit: fc.constantFrom(..."abcXYZ0189 ./-"), maxLength: 30 });
const hello: fc.Arbitrary<Hello> = fc.record({
  protocolVersion: fc.nat({ max: 2 ** 32 - 1 }),
  revision: whole,
  agent: printable,
  lanes,
});
const news: fc.Arbitrary<PeerNews> = fc.oneof(
  fc.record({ hello, records: fc.array(record, { maxLength: 4 }), bye: fc.boolean() }),
  fc.record({ records: fc.array(record, { maxLength: 4 }), bye: fc.boolean() }),
);
const response: fc.Arbitrary<ControlResponse> = fc.oneof(
  fc
    .record(
      { ticket: printable, validMs: whole, port: fc.integer({ min: 1, max: 65_535 }), certificateSha256: hex(64) },
      { requiredKeys: ["ticket", "validMs"] },
    )
    .map((ticket) => ({ type: "ticket", ticket }) as const),
  fc
    .record(
      {
        code: fc.constantFrom("PEER_BUSY", "PEER_LACKS", "PEER_DENIED"),
        message: printable,
        retryAfterMs: fc.integer({ min: 1, max: 1e9 }),
        redirect: fc.array(
          hex(10).map((id) => parseNodeId(id)),
          { maxLength: 5 },
        ),
      },
      { requiredKeys: ["code", "message", "redirect"] },
    )
    .map((refusal) => ({ type: "refusal", refusal }) as const),
);

const DECODERS: readonly ((bytes: Uint8Array) => unknown)[] = [
  (bytes) => decodeNews(bytes),
  decodeControlRequest,
  decodeControlResponse,
  decodeShardRequest,
  decodeShardAnswer,
];

/** Whatever comes in: a value, or PEER_FAULT. */
function decodesOrRefuses(decode: (bytes: Uint8Array) => unknown, bytes: Uint8Array): void {
  try {
    decode(bytes);
  } catch (error) {
    assert.ok(error instanceof SwarmError, `threw ${String(error)}`);
    assert.equal(error.code, "PEER_FAULT");
  }
}

describe("the wire codec", () => {
  it("gives news back as they were", () => {
    fc.assert(fc.property(news, (value) => assert.deepEqual(plain(decodeNews(encodeNews(value))), plain(value))));
  });

  it("gives control messages back as they were", () => {
    fc.assert(
      fc.property(blob, (id) => {
        const request = { type: "ticket", blob: id, encrypted: true, hasAccess: true } as const;
        assert.deepEqual(decodeControlRequest(encodeControlRequest(request)), request);
      }),
    );
    fc.assert(
      fc.property(response, (value) => {
        assert.deepEqual(plain(decodeControlResponse(encodeControlResponse(value))), plain(value));
      }),
    );
  });

  it("gives shard messages back as they were", () => {
    fc.assert(
      fc.property(blob, fc.nat(), fc.integer({ min: 1, max: 1e9 }), fc.nat(), (id, startBytes, length, rest) => {
        const endBytes = startBytes + length;
        const request = { blob: id, startBytes, endBytes };
        assert.deepEqual(decodeShardRequest(encodeShardRequest(request)), request);
        const answer = { type: "bytes", sizeBytes: endBytes + rest, startBytes, endBytes } as const;
        assert.deepEqual(decodeShardAnswer(encodeShardAnswer(answer)), answer);
      }),
    );
  });

  it("answers random bytes with PEER_FAULT or a value", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        for (const decode of DECODERS) decodesOrRefuses(decode, bytes);
      }),
      { numRuns: 2_000 },
    );
  });

  it("answers mutated messages with PEER_FAULT or a value", () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(news, damage, fc.nat(), (value, changes, cut) => {
        const bytes = encodeNews(value).slice();
        if (bytes.length === 0) return;
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
        decodesOrRefuses(decodeNews, bytes);
        decodesOrRefuses(decodeNews, bytes.subarray(0, cut % bytes.length));
      }),
      { numRuns: 1_000 },
    );
  });

  const bomb = (field: number, count: number) =>
    Uint8Array.from({ length: 2 * count }, (_, at) => (at % 2 ? 0 : field));
  const one: WireBlobNews = {
    blob: parseBlobId(`sha256:${"ab".repeat(32)}`),
    sizeBytes: 1,
    wants: false,
    mayFetch: false,
    holds: { kind: "all" },
    rooted: [],
  };
  const blank = { epoch: 1, sequence: 1, ttlMs: 1, isFull: true, capacityBytesPerS: 0, freeSlots: 0, blobs: [] };
  const aLane = { host: "10.0.0.1", port: 1, class: "ethernet", speedBytesPerS: 0, prefixBits: 8 } as const;
  const aHello = { protocolVersion: 1, revision: 1, agent: "a", lanes: [aLane] };
  const refused: readonly { readonly id: string; readonly bytes: Uint8Array }[] = [
    { id: "more bytes than a message may have", bytes: new Uint8Array(STATE_MESSAGE_BYTES_MAX + 1) },
    { id: "a million empty records", bytes: bomb(0x12, 1_000_000) },
    { id: "one record too many", bytes: encodeNews({ records: Array(RECORDS_MAX + 1).fill(blank), bye: false }) },
    {
      id: "one blob too many",
      bytes: encodeNews({ records: [{ ...blank, blobs: Array(BLOBS_MAX + 1).fill(one) }], bye: false }),
    },
    {
      id: "one lane too many",
      bytes: encodeNews({ hello: { ...aHello, lanes: Array(LANES_MAX + 1).fill(aLane) }, records: [], bye: false }),
    },
    {
      id: "a host that is no address",
      bytes: encodeNews({ hello: { ...aHello, lanes: [{ ...aLane, host: "evil.example" }] }, records: [], bye: false }),
    },
    {
      id: "a terminal escape in the agent",
      bytes: encodeNews({ hello: { ...aHello, agent: "\u001b[2J" }, records: [], bye: false }),
    },
    {
      id: "a bitfield that is shorter than its size says",
      bytes: encodeNews({
        records: [{ ...blank, blobs: [{ ...one, holds: { kind: "exactly", size: 99, bits: new Uint8Array(2) } }] }],
        bye: false,
      }),
    },
    {
      id: "a shard that no blob has",
      bytes: encodeNews({ records: [{ ...blank, blobs: [{ ...one, rooted: [SHARDS_MAX] }] }], bye: false }),
    },
  ];
  for (const { id, bytes } of refused) {
    it(`refuses ${id}`, () => {
      assert.throws(() => decodeNews(bytes), { code: "PEER_FAULT" });
    });
  }

  it("lets no peer claim a fault that is not a peer's", () => {
    const bytes = encodeControlResponse({ type: "refusal", refusal: { code: "NO_SPACE", message: "x", redirect: [] } });
    const decoded = decodeControlResponse(bytes);
    assert.equal(decoded.type === "refusal" && decoded.refusal.code, "PEER_FAULT");
  });
});

describe("bitfields", () => {
  it("hold exactly what was put in", () => {
    fc.assert(
      fc.property(fc.nat({ max: 500 }), fc.uniqueArray(fc.nat({ max: 600 })), (size, members) => {
        const bits = packBits(size, members);
        assert.equal(bits.length, bitfieldBytes(size));
        const expected = members.filter((shard) => shard < size).sort((a, b) => a - b);
        assert.deepEqual([...unpackBits(size, bits)], expected);
      }),
    );
  });
});

/** Decoders give null-prototype-free plain values; the generator does not always. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_, field) => (field instanceof Uint8Array ? [...field] : field)));
}
