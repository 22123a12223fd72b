import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { SwarmError } from "../errors.js";
import { parseBlobId, parseNodeId } from "../ids.js";
import {
  ATTESTATION_BASES,
  ATTESTATION_BYTES_MAX,
  ATTESTATION_DOMAIN,
  type Attestation,
  attestedBytes,
  decodeAttestation,
  encodeAttestation,
} from "./attestation.js";
import {
  decodeEvidenceAnswer,
  decodeEvidenceRequest,
  EVIDENCE_ANSWER_BYTES_MAX,
  EVIDENCE_ITEMS_MAX,
  EVIDENCE_KINDS,
  EVIDENCE_PAYLOAD_BYTES_MAX,
  EVIDENCE_QUESTION_BYTES_MAX,
  EVIDENCE_SHARDS_MAX,
  type EvidenceItem,
  encodeEvidenceAnswer,
  encodeEvidenceRequest,
} from "./evidence.js";
import { SHARDS_MAX } from "./limits.js";

const hex = (length: number) =>
  fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: length, maxLength: length });
const whole = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const uint32 = fc.nat({ max: 2 ** 32 - 1 });
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const blob = fc
  .oneof(
    hex(64).map((digest) => `sha256:${digest}`),
    hex(40).map((digest) => `git-sha1:${digest}`),
    fc.tuple(hex(64), hex(16), whole).map(([url, validator, size]) => `url:${url}:${validator}:${size}`),
  )
  .map(parseBlobId);
const attestation: fc.Arbitrary<Attestation> = fc.record({
  basis: fc.constantFrom(...ATTESTATION_BASES),
  timeMs: whole,
  blob,
  sizeBytes: whole,
  shardBytes: uint32,
  shard: uint32,
  hash: bytes(32),
  signer: fc.string({ unit: fc.constantFrom(..."123abcXYZ"), minLength: 1, maxLength: 128 }).map(parseNodeId),
  signature: bytes(64),
});
const isFault = (error: unknown) => error instanceof SwarmError && error.code === "PEER_FAULT";

describe("attestations as bytes", () => {
  it("come out as they went in, within their bound", () => {
    fc.assert(
      fc.property(attestation, (one) => {
        const coded = encodeAttestation(one);
        assert.ok(coded.length <= ATTESTATION_BYTES_MAX);
        assert.deepEqual(decodeAttestation(coded), { ...one });
      }),
    );
  });

  it("have one form only: whatever can be read is written down again byte by byte", () => {
    fc.assert(
      fc.property(attestation, fc.nat(), fc.integer({ min: 1, max: 255 }), (one, at, by) => {
        const coded = encodeAttestation(one);
        coded[at % coded.length] = (coded[at % coded.length] as number) ^ by;
        try {
          assert.deepEqual(encodeAttestation(decodeAttestation(coded)), coded);
        } catch (error) {
          if (!isFault(error)) throw error;
        }
      }),
    );
  });

  it("are signed with every field: another field is another text", () => {
    fc.assert(
      fc.property(attestation, attestation, (one, other) => {
        const isSame = encodeAttestation({ ...one, signature: other.signature }).every(
          (byte, index) => byte === encodeAttestation(other)[index],
        );
        const [a, b] = [attestedBytes(one), attestedBytes(other)].map((text) => Buffer.from(text));
        assert.equal(a?.equals(b as Buffer), isSame);
        assert.ok(a?.toString("latin1").startsWith(ATTESTATION_DOMAIN));
      }),
    );
  });

  it("of any other bytes are a fault of the peer, and nothing else", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: ATTESTATION_BYTES_MAX + 10 }), (garbage) => {
        try {
          decodeAttestation(garbage);
        } catch (error) {
          if (!isFault(error)) throw error;
        }
      }),
    );
  });

  for (const { id, change } of [
    { id: "cut short", change: (coded: Uint8Array) => coded.subarray(0, coded.length - 1) },
    { id: "with a byte behind it", change: (coded: Uint8Array) => Uint8Array.of(...coded, 0) },
    { id: "on no basis", change: (coded: Uint8Array) => Uint8Array.of(0, ...coded.subarray(1)) },
    { id: "on a basis of a later version", change: (coded: Uint8Array) => Uint8Array.of(9, ...coded.subarray(1)) },
  ]) {
    it(`${id} is refused`, () => {
      fc.assert(
        fc.property(attestation, (one) => {
          assert.throws(() => decodeAttestation(change(encodeAttestation(one))), isFault);
        }),
        { numRuns: 20 },
      );
    });
  }
});

describe("questions for evidence, and answers", () => {
  const shards = fc.array(fc.nat({ max: SHARDS_MAX - 1 }), { maxLength: EVIDENCE_SHARDS_MAX });

  it("come out as they went in, within their bounds", () => {
    fc.assert(
      fc.property(
        fc.record({ blob, sizeBytes: whole, shardBytes: fc.integer({ min: 1, max: 2 ** 32 - 1 }), shards }),
        (request) => {
          const coded = encodeEvidenceRequest(request);
          assert.ok(coded.length <= EVIDENCE_QUESTION_BYTES_MAX);
          assert.deepEqual(decodeEvidenceRequest(coded), { ...request });
        },
      ),
    );
    const item: fc.Arbitrary<EvidenceItem> = fc.record({
      kind: fc.constantFrom(...EVIDENCE_KINDS),
      payload: fc.uint8Array({ maxLength: 300 }),
    });
    fc.assert(
      fc.property(
        fc.record({
          shard: fc.nat({ max: SHARDS_MAX - 1 }),
          items: fc.array(item, { maxLength: EVIDENCE_ITEMS_MAX }),
          isTainted: fc.boolean(),
        }),
        (answer) => {
          const expected = { ...answer, items: answer.items.map((one) => ({ ...one })) };
          assert.deepEqual(decodeEvidenceAnswer(encodeEvidenceAnswer(answer)), expected);
        },
      ),
    );
  });

  it("skip evidence of a kind that this version does not know", () => {
    // Field 2, an item: kind 9, payload of one byte.
    const coded = Uint8Array.of(0x08, 7, 0x12, 5, 0x08, 9, 0x12, 1, 0xff);
    assert.deepEqual(decodeEvidenceAnswer(coded), { shard: 7, items: [], isTainted: false });
  });

  const item = (size: number): EvidenceItem => ({ kind: "proof", payload: new Uint8Array(size) });
  const about = { blob: parseBlobId(`sha256:${"a".repeat(64)}`), sizeBytes: 1, shardBytes: 1 };
  for (const { id, decode } of [
    {
      id: "too many shards",
      decode: () =>
        decodeEvidenceRequest(encodeEvidenceRequest({ ...about, shards: Array(EVIDENCE_SHARDS_MAX + 1).fill(1) })),
    },
    {
      id: "a shard that no blob has",
      decode: () => decodeEvidenceRequest(encodeEvidenceRequest({ ...about, shards: [SHARDS_MAX] })),
    },
    {
      id: "shards of no bytes",
      decode: () => decodeEvidenceRequest(encodeEvidenceRequest({ ...about, shardBytes: 0, shards: [1] })),
    },
    {
      id: "too many items",
      decode: () =>
        decodeEvidenceAnswer(
          encodeEvidenceAnswer({ shard: 1, items: Array(EVIDENCE_ITEMS_MAX + 1).fill(item(1)), isTainted: false }),
        ),
    },
    {
      id: "a payload that is too long",
      decode: () =>
        decodeEvidenceAnswer(
          encodeEvidenceAnswer({ shard: 1, items: [item(EVIDENCE_PAYLOAD_BYTES_MAX + 1)], isTainted: false }),
        ),
    },
    {
      id: "a message that is too long",
      decode: () => decodeEvidenceAnswer(new Uint8Array(EVIDENCE_ANSWER_BYTES_MAX + 1)),
    },
  ]) {
    it(`${id} is refused`, () => assert.throws(decode, isFault));
  }

  it("of any other bytes are a fault of the peer, and nothing else", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (garbage) => {
        for (const decode of [decodeEvidenceRequest, decodeEvidenceAnswer]) {
          try {
            decode(garbage);
          } catch (error) {
            if (!isFault(error)) throw error;
          }
        }
      }),
    );
  });
});
