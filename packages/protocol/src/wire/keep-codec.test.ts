import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SwarmError } from "../errors.js";
import { parseBlobId, parseCommitId, parseRepoSpec } from "../ids.js";
import {
  type CopiesRequest,
  type CopiesResponse,
  decodeCopiesRequest,
  decodeCopiesResponse,
  encodeCopiesRequest,
  encodeCopiesResponse,
  PLACE_ANSWERS,
} from "./keep-codec.js";
import { KEEP_BLOBS_MAX, LEASE_MS_MAX } from "./limits.js";

const BLOB = parseBlobId(`sha256:${"5a".repeat(32)}`);
const { repo } = parseRepoSpec("datasets/org/name");
const commit = parseCommitId("0123456789abcdef0123456789abcdef01234567");
const PLACE = { type: "place", repo, commit, sizeBytes: 7, leaseMs: 60_000, isJustAsking: true } as const;

describe("the codec of questions about copies", () => {
  const requests: readonly CopiesRequest[] = [{ type: "keep", blobs: [BLOB] }, { type: "keep", blobs: [] }, PLACE];
  for (const request of requests) {
    it(`carries ${request.type}`, () => {
      assert.deepEqual(decodeCopiesRequest(encodeCopiesRequest(request)), request);
    });
  }
  const responses: readonly CopiesResponse[] = [
    { type: "kept", blobs: [BLOB] },
    ...PLACE_ANSWERS.map((answer) => ({ type: "placed", answer, roomBytes: 3 }) as const),
  ];
  for (const response of responses) {
    it(`carries ${response.type} ${response.type === "placed" ? response.answer : ""}`, () => {
      assert.deepEqual(decodeCopiesResponse(encodeCopiesResponse(response)), response);
    });
  }

  it("bounds how many blobs are asked about, and for how long a copy is held", () => {
    const many = encodeCopiesRequest({ type: "keep", blobs: new Array(KEEP_BLOBS_MAX + 1).fill(BLOB) });
    assert.throws(() => decodeCopiesRequest(many), isFault);
    const long = decodeCopiesRequest(encodeCopiesRequest({ ...PLACE, leaseMs: LEASE_MS_MAX * 2 }));
    assert.equal(long.type === "place" && long.leaseMs, LEASE_MS_MAX);
  });

  it("refuses what is empty, cut or of another kind", () => {
    const good = encodeCopiesRequest(PLACE);
    for (const bytes of [new Uint8Array(0), good.subarray(0, good.length - 3), new Uint8Array([255, 255, 255])]) {
      assert.throws(() => decodeCopiesRequest(bytes), isFault);
      assert.throws(() => decodeCopiesResponse(bytes), isFault);
    }
  });
});

function isFault(error: unknown): boolean {
  return error instanceof SwarmError && error.code === "PEER_FAULT";
}
