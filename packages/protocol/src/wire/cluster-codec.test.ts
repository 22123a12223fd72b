import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { SwarmError } from "../errors.js";
import { parseBlobId, parseCommitId, parseNodeId, parseRepoSpec, parseRevision } from "../ids.js";
import {
  decodeGrant,
  decodeMember,
  decodeMemberRequest,
  decodeMemberResponse,
  decodePairFrame,
  encodeGrant,
  encodeMember,
  encodeMemberRequest,
  encodeMemberResponse,
  encodePairFrame,
} from "./cluster-codec.js";
import type { Grant, MemberRequest, MemberResponse, PairFrame, WireMember } from "./cluster-types.js";
import { MEMBER_BYTES_MAX, PAIR_FRAME_BYTES_MAX } from "./limits.js";

const ID = parseNodeId("12D3KooWHHzSeKaY8xuZVzkLbKFfvNgPPeKhFBGrMbNzbm5akpqu");
const MEMBER: WireMember = { id: ID, name: "rack-1", addresses: ["/ip4/192.168.1.7/tcp/7482"], silentMs: 12 };
const GRANT: Grant = {
  swarmKey: `/key/swarm/psk/1.0.0/\n/base16/\n${"a1".repeat(32)}`,
  name: "lab",
  shareGated: "members",
  generation: 3,
  clusterId: "0f".repeat(16),
  members: [MEMBER],
};
const { repo } = parseRepoSpec("datasets/org/name");
const COMMIT = parseCommitId("c".repeat(40));

const REQUESTS: readonly MemberRequest[] = [
  { type: "introduce", members: [MEMBER] },
  { type: "rotate", grant: GRANT },
  { type: "leave" },
  { type: "resolve", repo, revision: parseRevision("refs/pr/1") },
  { type: "list-files", repo, commit: COMMIT, from: 77 },
];
const RESPONSES: readonly MemberResponse[] = [
  { type: "introduce", members: [] },
  { type: "done" },
  { type: "resolved", commit: COMMIT, isPrivate: true, ageMs: 5 },
  {
    type: "files",
    total: 2,
    files: [
      { path: "a/ü.json", sizeBytes: 0, blob: parseBlobId(`git-sha1:${"1".repeat(40)}`) },
      { path: "b", sizeBytes: 9, blob: parseBlobId(`sha256:${"2".repeat(64)}`), xetHash: "3".repeat(64) },
    ],
  },
  { type: "refusal", code: "PEER_LACKS", message: "no" },
];
const FRAMES: readonly PairFrame[] = [
  { type: "hello", version: 1, tag: "Z9", nodeId: ID, login: Uint8Array.of(1, 2) },
  { type: "challenge", nodeId: ID, login: Uint8Array.of(3), triesLeft: 2 },
  { type: "proof", login: Uint8Array.of(4), sealed: Uint8Array.of(5) },
  { type: "grant", sealed: Uint8Array.of(6) },
  { type: "refusal", code: "ACCESS_DENIED", message: "void" },
];

const DECODERS = [
  { name: "member requests", decode: decodeMemberRequest, samples: REQUESTS.map(encodeMemberRequest) },
  { name: "member responses", decode: decodeMemberResponse, samples: RESPONSES.map(encodeMemberResponse) },
  { name: "pairing frames", decode: decodePairFrame, samples: FRAMES.map(encodePairFrame) },
  { name: "grants", decode: decodeGrant, samples: [encodeGrant(GRANT)] },
  { name: "members", decode: decodeMember, samples: [encodeMember(MEMBER)] },
];

function isFault(error: unknown): boolean {
  return error instanceof SwarmError && error.code === "PEER_FAULT";
}

describe("what members say", () => {
  it("comes back as it was", () => {
    for (const one of REQUESTS) assert.deepEqual(decodeMemberRequest(encodeMemberRequest(one)), one);
    for (const one of RESPONSES) assert.deepEqual(decodeMemberResponse(encodeMemberResponse(one)), one);
    for (const one of FRAMES) assert.deepEqual(decodePairFrame(encodePairFrame(one)), one);
    assert.deepEqual(decodeGrant(encodeGrant(GRANT)), GRANT);
    assert.deepEqual(decodeMember(encodeMember(MEMBER)), MEMBER);
  });

  for (const { name, decode, samples } of DECODERS) {
    it(`${name}: whatever comes, a value or PEER_FAULT`, () => {
      const mutated = fc
        .tuple(
          fc.constantFrom(...samples),
          fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 8 }),
        )
        .map(([sample, changes]) => {
          const bytes = new Uint8Array(sample);
          for (const [at, value] of changes) bytes[at % Math.max(1, bytes.length)] = value;
          return bytes;
        });
      fc.assert(
        fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), mutated), (bytes) => {
          try {
            decode(bytes);
          } catch (error) {
            assert.ok(isFault(error), String(error));
          }
        }),
        { numRuns: 2_000 },
      );
    });
  }

  it("refuses what is too long before it is looked at", () => {
    assert.throws(() => decodeMemberRequest(new Uint8Array(MEMBER_BYTES_MAX + 1)), isFault);
    assert.throws(() => decodePairFrame(new Uint8Array(PAIR_FRAME_BYTES_MAX + 1)), isFault);
  });

  it("refuses a key, an address and a path that are none, and errors that are not the sender's to report", () => {
    assert.throws(
      () => decodeGrant(encodeGrant({ ...GRANT, swarmKey: "/key/swarm/psk/1.0.0/\n/base16/\nzz" })),
      isFault,
    );
    assert.throws(() => decodeMember(encodeMember({ ...MEMBER, addresses: ["/dns4/evil.example/tcp/1"] })), isFault);
    const file = { path: "", sizeBytes: 1, blob: parseBlobId(`sha256:${"2".repeat(64)}`) };
    assert.throws(
      () => decodeMemberResponse(encodeMemberResponse({ type: "files", total: 1, files: [file] })),
      isFault,
    );
    const lie = encodeMemberResponse({ type: "refusal", code: "NO_SPACE", message: "your\u001bdisk" });
    assert.deepEqual(decodeMemberResponse(lie), { type: "refusal", code: "PEER_FAULT", message: "your disk" });
  });
});
