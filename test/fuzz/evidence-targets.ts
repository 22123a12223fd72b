/** Decoders of what shards rest on: questions, answers, and the attestations in them. */
import { parseBlobId, parseNodeId } from "@swarmd/protocol";
import {
  type AttestationBody,
  decodeAttestation,
  decodeEvidenceAnswer,
  decodeEvidenceRequest,
  decodeTalkFrame,
  EVIDENCE_ITEMS_MAX,
  EVIDENCE_PAYLOAD_BYTES_MAX,
  EVIDENCE_SHARDS_MAX,
  encodeAttestation,
  encodeEvidenceAnswer,
  encodeEvidenceRequest,
  encodeTalkFrame,
} from "@swarmd/protocol/wire";
import type { FuzzTarget } from "./targets.js";

const BODY: AttestationBody = {
  basis: "verified",
  timeMs: 1_760_000_000_000,
  blob: parseBlobId(`sha256:${"5a".repeat(32)}`),
  sizeBytes: 5e9,
  shardBytes: 16_777_216,
  shard: 7,
  hash: new Uint8Array(32).fill(0xc4),
  signer: parseNodeId("12D3KooWGRUaQj4UVm1bjCBMSJ6YaPfBSGJQbEMsEcQM1T3Zq8Q1"),
};
const ATTESTATION = encodeAttestation({ ...BODY, signature: new Uint8Array(64).fill(0x51) });
const { blob, sizeBytes, shardBytes } = BODY;

export const EVIDENCE_TARGETS: readonly FuzzTarget[] = [
  {
    name: "attestation",
    decode: (bytes) => {
      // What is signed is the bytes: if they could be written in two ways, one signature would be under both.
      if (Buffer.compare(encodeAttestation(decodeAttestation(bytes)), bytes) !== 0) throw new Error("it has two forms");
    },
    codes: ["PEER_FAULT"],
    samples: [
      ATTESTATION,
      encodeAttestation({
        ...BODY,
        basis: "origin",
        blob: parseBlobId(`git-sha1:${"0f".repeat(20)}`),
        signature: new Uint8Array(64),
      }),
    ],
  },
  {
    name: "talk-frame",
    decode: (bytes) => {
      if (Buffer.compare(encodeTalkFrame(decodeTalkFrame(bytes)), bytes) !== 0) throw new Error("it has two forms");
    },
    codes: ["PEER_FAULT"],
    samples: [
      encodeTalkFrame({ id: 1, kind: "ticket", payload: new Uint8Array(40).fill(7) }),
      encodeTalkFrame({ id: 2 ** 32 - 1, kind: "end", payload: new Uint8Array(0) }),
    ],
  },
  {
    name: "evidence-request",
    decode: (bytes) => {
      const request = decodeEvidenceRequest(bytes);
      if (request.shards.length > EVIDENCE_SHARDS_MAX) throw new Error(`${request.shards.length} shards`);
      if (request.root !== undefined && request.root.length !== 32) throw new Error("a root of another length");
      decodeEvidenceRequest(encodeEvidenceRequest(request));
    },
    codes: ["PEER_FAULT"],
    samples: [
      encodeEvidenceRequest({ blob, sizeBytes, shardBytes, shards: [0, 7, 70_000] }),
      encodeEvidenceRequest({
        ...{ blob, sizeBytes, shardBytes, shards: [3] },
        root: new Uint8Array(32).fill(0x7e),
        proofsNow: true,
      }),
    ],
  },
  {
    name: "evidence-answer",
    decode: (bytes) => {
      const answer = decodeEvidenceAnswer(bytes);
      if (answer.items.length > EVIDENCE_ITEMS_MAX) throw new Error(`${answer.items.length} items`);
      for (const { payload } of answer.items) {
        if (payload.length > EVIDENCE_PAYLOAD_BYTES_MAX) throw new Error(`a payload of ${payload.length} bytes`);
      }
      decodeEvidenceAnswer(encodeEvidenceAnswer(answer));
    },
    codes: ["PEER_FAULT"],
    samples: [
      encodeEvidenceAnswer({ shard: 7, items: [{ kind: "attestation", payload: ATTESTATION }], isTainted: false }),
      encodeEvidenceAnswer({
        shard: 7,
        items: [
          { kind: "proof", payload: new Uint8Array(300).fill(9) },
          { kind: "attestation", payload: ATTESTATION },
        ],
        isTainted: false,
      }),
      encodeEvidenceAnswer({ shard: 0, items: [], isTainted: true }),
    ],
  },
];
