import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import { type NodeId, parseBlobId, parseNodeId, SwarmError } from "@swarmd/protocol";
import type { Ground } from "../types.js";
import { inquire, type Suspect } from "./inquest.js";

const BLOB = parseBlobId(`sha256:${"c".repeat(64)}`);
const SHARD_BYTES = 100;
const [A, B, SELF] = ["peerA", "peerB", "self"].map(parseNodeId) as [NodeId, NodeId, NodeId];
const item = { kind: "attestation", payload: new Uint8Array(0) } as const;
const by = (signer: NodeId, basis: "origin" | "verified" | "held" = "origin"): Ground => ({
  kind: "attestation",
  item,
  signer,
  basis,
});
const OWN: Ground = { kind: "origin" };

const contentOf = (shard: number) => Buffer.alloc(SHARD_BYTES, shard + 1);
const hashOf = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest();

interface Case {
  readonly id: string;
  readonly grounds: readonly (Ground | undefined)[];
  /** Shards that are not what the origin has. */
  readonly wrong: readonly number[];
  readonly isDown?: boolean;
  readonly expected: {
    readonly shards: readonly number[];
    readonly culprits?: readonly NodeId[];
    readonly doubted?: readonly NodeId[];
    readonly cleared?: readonly number[];
    /** Shards fetched to compare, in this order. */
    readonly asked: readonly number[];
  };
}

const CASES: readonly Case[] = [
  {
    id: "names the signer of a wrong shard, and all that rests on its word goes but what was borne out",
    grounds: [OWN, by(A), by(B), by(A), by(A)],
    wrong: [3],
    expected: { shards: [3, 4], culprits: [A], cleared: [2, 1], asked: [2, 1, 3] },
  },
  {
    id: "looks first at those who only hold a file of that name, then at fetchers, then at those who verified it",
    grounds: [by(A, "verified"), by(B, "origin"), by(A, "held")],
    wrong: [0],
    expected: { shards: [0], culprits: [A], cleared: [2, 1], asked: [2, 1, 0] },
  },
  {
    id: "takes our own word last, and then blames nobody",
    grounds: [OWN, by(A), by(SELF)],
    wrong: [0],
    expected: { shards: [0, 2], culprits: [], cleared: [1], asked: [1, 0] },
  },
  {
    id: "looks at what an earlier version left before what this node fetched",
    grounds: [OWN, undefined],
    wrong: [1],
    expected: { shards: [1], culprits: [], asked: [1] },
  },
  {
    id: "gives everything up when the origin has every shard, and yet another whole",
    grounds: [OWN, by(A)],
    wrong: [],
    expected: { shards: [0, 1], culprits: [], asked: [1, 0] },
  },
  {
    id: "doubts the weakest word when the origin can't be asked",
    grounds: [OWN, by(A), by(B, "held"), by(B, "held")],
    wrong: [1],
    isDown: true,
    expected: { shards: [2, 3], doubted: [B], asked: [] },
  },
  {
    id: "gives everything up when there is only our own word and no origin",
    grounds: [OWN, OWN],
    wrong: [1],
    isDown: true,
    expected: { shards: [0, 1], asked: [] },
  },
];

describe("inquire", () => {
  for (const { id, grounds, wrong, isDown = false, expected } of CASES) {
    it(id, async () => {
      const asked: number[] = [];
      const suspects = grounds.map((ground, shard): Suspect => {
        return { shard, ground, hash: hashOf(wrong.includes(shard) ? Buffer.from("a lie") : contentOf(shard)) };
      });
      let compared = 0;
      const finding = await inquire(
        { blob: BLOB, sizeBytes: SHARD_BYTES * grounds.length, shardBytes: SHARD_BYTES, suspects },
        {
          origin: {
            async read(_blob, startBytes, _endBytes, sink) {
              if (isDown) throw new SwarmError("ORIGIN_UNREACHABLE", "down");
              asked.push(startBytes / SHARD_BYTES);
              sink.write(contentOf(startBytes / SHARD_BYTES));
            },
          },
          newHasher: () => {
            const hash = createHash("sha256");
            return { update: (chunk) => void hash.update(chunk), digest: () => hash.copy().digest() };
          },
          self: () => SELF,
          onCompared: (_blob, bytes) => {
            compared += bytes;
          },
        },
        { signal: new AbortController().signal },
      );
      assert.deepEqual(
        { ...finding, cleared: finding.cleared.map(({ shard }) => shard), asked },
        { culprits: [], doubted: [], cleared: [], ...expected },
      );
      assert.equal(compared, asked.length * SHARD_BYTES);
    });
  }
});
