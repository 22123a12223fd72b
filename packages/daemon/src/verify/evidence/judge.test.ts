import assert from "node:assert/strict";
import { generateKeyPairSync, sign } from "node:crypto";
import { describe, it } from "node:test";
import { type ErrorCode, parseBlobId, SwarmError } from "@swarmd/protocol";
import type { EvidenceItem } from "@swarmd/protocol/wire";
import { attest, type ShardName } from "./attest.js";
import { Judge } from "./judge.js";
import { nodeIdOfKey } from "./node-identity.js";
import type { EvidenceReply } from "./ports.js";

const BLOB = parseBlobId(`sha256:${"c".repeat(64)}`);
const ABOUT: ShardName = { blob: BLOB, sizeBytes: 5000, shardBytes: 1000, shard: 3 };
const [RIGHT, WRONG] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];

function makeNode() {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const { x } = publicKey.export({ format: "jwk" });
  const node = nodeIdOfKey(Buffer.from(x as string, "base64url"));
  return { node, sign: async (bytes: Uint8Array) => sign(null, bytes, privateKey), wallMs: () => 1 };
}

const [SENDER, ROOT, OTHER] = [makeNode(), makeNode(), makeNode()];
const says = (hash: Uint8Array, by = ROOT, about: Partial<ShardName> = {}) =>
  attest({ ...ABOUT, ...about }, { hash, basis: "origin" }, by);
const forged = async (hash: Uint8Array): Promise<EvidenceItem> => {
  const { payload } = await says(hash);
  return {
    kind: "attestation",
    payload: payload.map((byte, index) => (index === payload.length - 1 ? byte ^ 1 : byte)),
  };
};

type Reply = readonly Promise<EvidenceItem>[] | "tainted" | "gone";

interface Case {
  readonly id: string;
  readonly sender: Reply;
  readonly other?: Reply;
  /** What is in the file, and what the sender sent of it. */
  readonly hash?: Uint8Array;
  readonly sentHash?: Uint8Array;
  readonly isRootBanned?: boolean;
  readonly isRootDoubted?: boolean;
  readonly expected: "checked" | ErrorCode;
}

const CASES: readonly Case[] = [
  { id: "counts when its hash is the one vouched for", sender: [says(RIGHT)], expected: "checked" },
  { id: "is the sender's fault when it has evidence for other bytes", sender: [says(WRONG)], expected: "PEER_CORRUPT" },
  { id: "is the sender's fault when the evidence is forged", sender: [forged(RIGHT)], expected: "PEER_CORRUPT" },
  {
    id: "does not count by evidence of another shard",
    sender: [says(RIGHT, ROOT, { shard: 2 })],
    expected: "PEER_CORRUPT",
  },
  {
    id: "does not count by evidence of another size",
    sender: [says(RIGHT, ROOT, { sizeBytes: 4999 })],
    expected: "PEER_CORRUPT",
  },
  {
    id: "does not count by evidence of another blob",
    sender: [says(RIGHT, ROOT, { blob: parseBlobId(`sha256:${"d".repeat(64)}`) })],
    expected: "PEER_CORRUPT",
  },
  {
    id: "does not count by evidence of another cut",
    sender: [says(RIGHT, ROOT, { shardBytes: 2000 })],
    expected: "PEER_CORRUPT",
  },
  {
    id: "is not this sender's fault when another wrote wrong bytes between",
    sender: [says(RIGHT)],
    hash: WRONG,
    sentHash: RIGHT,
    expected: "PEER_TAINTED",
  },
  { id: "is nobody's fault when the sender took it back", sender: "tainted", expected: "PEER_TAINTED" },
  {
    id: "is vouched for by another holder when the sender is gone",
    sender: "gone",
    other: [says(RIGHT)],
    expected: "checked",
  },
  {
    id: "is vouched for by another holder when the sender has nothing",
    sender: [],
    other: [says(RIGHT)],
    expected: "checked",
  },
  {
    id: "is not blamed on the sender by another's evidence alone",
    sender: [],
    other: [says(WRONG)],
    expected: "PEER_UNPROVEN",
  },
  { id: "does not count when nobody has evidence", sender: [], other: [], expected: "PEER_UNPROVEN" },
  { id: "does not count by another's forged evidence", sender: [], other: [forged(RIGHT)], expected: "PEER_UNPROVEN" },
  {
    id: "does not count by the word of a banned node",
    sender: [says(RIGHT)],
    isRootBanned: true,
    expected: "PEER_UNPROVEN",
  },
  {
    id: "does not count by a word that is doubted",
    sender: [says(RIGHT)],
    isRootDoubted: true,
    expected: "PEER_UNPROVEN",
  },
  { id: "counts when one of two words is for it", sender: [says(WRONG, OTHER), says(RIGHT)], expected: "checked" },
  { id: "may rest on the sender's own word", sender: [says(RIGHT, SENDER)], expected: "checked" },
];

async function toReply(reply: Reply): Promise<EvidenceReply> {
  if (reply === "gone") throw new SwarmError("PEER_UNREACHABLE", "gone");
  if (reply === "tainted") return { items: [], isTainted: true };
  return { items: await Promise.all(reply), isTainted: false };
}

describe("a shard from a peer", () => {
  for (const { id, sender, other = [], hash = RIGHT, sentHash = hash, expected, ...more } of CASES) {
    it(id, async () => {
      const conflicts: number[] = [];
      const judge = new Judge(
        {},
        {
          evidence: { ask: (peer) => toReply(peer === SENDER.node ? sender : other) },
          witnesses: {
            holders: () => [SENDER.node, OTHER.node],
            isBanned: (node) => more.isRootBanned === true && node === ROOT.node,
            isOnDuty: () => false,
          },
          digests: { matches: async () => assert.fail("a shard of several is no whole file") },
          onConflict: ({ signers }) => conflicts.push(signers.length),
        },
      );
      if (more.isRootDoubted) judge.distrust(BLOB, ROOT.node);
      const trial = judge.open({ ...ABOUT, peer: SENDER.node, path: "/nowhere" });
      const outcome = await trial.conclude({ hash, sentHash }).then(
        ({ shard, hash: found }) => {
          assert.deepEqual([shard, found], [ABOUT.shard, hash]);
          return "checked";
        },
        (error: SwarmError) => error.code,
      );
      trial.close();
      assert.equal(outcome, expected);
      assert.deepEqual(conflicts, typeof sender !== "string" && sender.length > 1 ? [2] : []);
    });
  }

  it("that is a whole file is held against its digest, and nobody is asked", async () => {
    const asked: boolean[] = [];
    const judge = new Judge(
      {},
      {
        evidence: { ask: async () => assert.fail("nobody is asked") },
        witnesses: { holders: () => [], isBanned: () => false, isOnDuty: () => false },
        digests: { matches: async () => asked.push(true) === 1 },
      },
    );
    const open = () => judge.open({ ...ABOUT, sizeBytes: 900, shard: 0, peer: SENDER.node, path: "/nowhere" });
    const { ground } = await open().conclude({ hash: RIGHT, sentHash: RIGHT });
    assert.equal(ground.kind, "digest");
    await assert.rejects(open().conclude({ hash: RIGHT, sentHash: RIGHT }), { code: "PEER_CORRUPT" });
  });

  const PROOF: EvidenceItem = { kind: "proof", payload: Uint8Array.of(1) };
  const PROOF_CASES: readonly {
    readonly id: string;
    readonly isFromSender: boolean;
    /** Whether the bytes are what the proof says; undefined when it is none. */
    readonly isRight: boolean | undefined;
    readonly expected: "proof" | "attestation" | ErrorCode;
  }[] = [
    { id: "counts by the sender's proof", isFromSender: true, isRight: true, expected: "proof" },
    { id: "counts by another's proof", isFromSender: false, isRight: true, expected: "proof" },
    {
      id: "is the sender's fault when its own proof refutes it",
      isFromSender: true,
      isRight: false,
      expected: "PEER_CORRUPT",
    },
    {
      id: "is nobody's fault when another's proof refutes it",
      isFromSender: false,
      isRight: false,
      expected: "PEER_TAINTED",
    },
    {
      id: "rests on what else there is when a proof is none",
      isFromSender: true,
      isRight: undefined,
      expected: "attestation",
    },
  ];
  for (const { id, isFromSender, isRight, expected } of PROOF_CASES) {
    it(id, async () => {
      const judge = new Judge(
        {},
        {
          evidence: {
            ask: async (peer) => {
              const proofs = (peer === SENDER.node) === isFromSender ? [PROOF] : [];
              const words = isRight === undefined && peer === SENDER.node ? [await says(RIGHT)] : [];
              return { items: [...proofs, ...words], isTainted: false };
            },
          },
          witnesses: { holders: () => [SENDER.node, OTHER.node], isBanned: () => false, isOnDuty: () => false },
          digests: { matches: async () => assert.fail("a shard of several is no whole file") },
          proofs: { check: async () => isRight },
        },
      );
      const trial = judge.open({ ...ABOUT, peer: SENDER.node, path: "/nowhere" });
      const outcome = await trial.conclude({ hash: RIGHT, sentHash: RIGHT }).then(
        ({ ground }) => ground.kind,
        (error: SwarmError) => error.code,
      );
      trial.close();
      assert.equal(outcome, expected);
    });
  }

  it("that was held against a proof as it came counts, unless something else is in the file", () => {
    const nobody = { ask: async () => assert.fail("nobody is asked") };
    const witnesses = { holders: () => [], isBanned: () => false, isOnDuty: () => false };
    const judge = new Judge({}, { evidence: nobody, witnesses, digests: { matches: async () => false } });
    assert.equal(judge.fromProof(ABOUT, { hash: RIGHT, sentHash: RIGHT }).ground.kind, "proof");
    assert.throws(() => judge.fromProof(ABOUT, { hash: WRONG, sentHash: RIGHT }), { code: "PEER_TAINTED" });
  });

  it("is waited for until it is closed, and no longer", async () => {
    const judge = new Judge(
      {},
      {
        evidence: { ask: () => new Promise(() => undefined) },
        witnesses: { holders: () => [], isBanned: () => false, isOnDuty: () => false },
        digests: { matches: async () => true },
      },
    );
    const trial = judge.open({ ...ABOUT, peer: SENDER.node, path: "/nowhere" });
    const concluded = trial.conclude({ hash: RIGHT, sentHash: RIGHT });
    trial.close();
    await assert.rejects(concluded, { code: "INTERRUPTED" });
  });

  const thinking = new Promise<EvidenceReply>(() => undefined);
  const judgeWhileItThinks = (other: Reply, isOnDuty: boolean) =>
    new Judge(
      { lookMs: 5, dutyMs: 20, senderMs: 60 },
      {
        evidence: { ask: (peer) => (peer === SENDER.node ? thinking : toReply(other)) },
        witnesses: { holders: () => [SENDER.node, OTHER.node], isBanned: () => false, isOnDuty: () => isOnDuty },
        digests: { matches: async () => true },
      },
    );
  const THINKING: readonly { id: string; other: Reply; isOnDuty: boolean; expected: string }[] = [
    { id: "counts by another's word", other: [says(RIGHT)], isOnDuty: false, expected: "attestation" },
    { id: "is for the one on duty to ask for", other: [], isOnDuty: true, expected: "PEER_BUSY" },
    { id: "is given up by the others in the end", other: [], isOnDuty: false, expected: "PEER_UNPROVEN" },
    { id: "is not refuted by another's word", other: [says(WRONG)], isOnDuty: true, expected: "PEER_BUSY" },
  ];
  for (const { id, other, isOnDuty, expected } of THINKING) {
    it(`whose sender can't tell yet ${id}`, async () => {
      const trial = judgeWhileItThinks(other, isOnDuty).open({ ...ABOUT, peer: SENDER.node, path: "/nowhere" });
      const outcome = await trial.conclude({ hash: RIGHT, sentHash: RIGHT }).then(
        ({ ground }) => ground.kind,
        (error: SwarmError) => error.code,
      );
      trial.close();
      assert.equal(outcome, expected);
    });
  }

  for (const { losses, expected } of [
    { losses: 2, expected: "attestation" },
    { losses: 9, expected: "PEER_UNPROVEN" },
  ]) {
    it(`is asked for again where the question got lost: ${losses} times`, async () => {
      let asked = 0;
      const judge = new Judge(
        { lookMs: 5 },
        {
          evidence: {
            ask: (): Promise<EvidenceReply> => toReply(asked++ < losses ? "gone" : [says(RIGHT)]),
          },
          witnesses: { holders: () => [SENDER.node], isBanned: () => false, isOnDuty: () => false },
          digests: { matches: async () => true },
        },
      );
      const trial = judge.open({ ...ABOUT, peer: SENDER.node, path: "/nowhere" });
      const outcome = await trial.conclude({ hash: RIGHT, sentHash: RIGHT }).then(
        ({ ground }) => ground.kind,
        (error: SwarmError) => error.code,
      );
      trial.close();
      assert.equal(outcome, expected);
    });
  }
});
