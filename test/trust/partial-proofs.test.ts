/** Who holds some shards of a file hands their proofs on, as they came; who holds all of it builds its tree. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { openShelf } from "@swarmd/daemon/evidence";
import { Proofs } from "@swarmd/daemon/proofs";
import { BlobStore } from "@swarmd/daemon/store/blob-store";
import type { Staging } from "@swarmd/daemon/store/staging";
import { WholeHashes } from "@swarmd/daemon/store/whole-hashes";
import { OwnEvidence } from "@swarmd/daemon/verify/evidence/own-evidence";
import { FileDigests } from "@swarmd/daemon/verify/file-digest";
import { loadBlake3 } from "@swarmd/daemon/verify/shard-hasher";
import { Verifier } from "@swarmd/daemon/verify/verifier";
import { bytesOfXetHash } from "@swarmd/daemon/verify/xet/xet-hash";
import { type NodeId, parseBlobId, shardEnd, shardStart } from "@swarmd/protocol";
import type { EvidenceAnswer, EvidenceRequest } from "@swarmd/protocol/wire";
import { originJudge } from "../support/origin-judge.js";
import { ProvingHolder } from "../support/proving-holder.js";
import { seededRandom } from "../support/seeded-random.js";
import { until } from "../support/swarm-kit.js";

const { createShardHasher } = await loadBlake3();
const SHARD_BYTES = 256 * 1024;
const random = seededRandom(31);
const CONTENT = Buffer.from(Uint8Array.from({ length: 3 * SHARD_BYTES - 99 }, () => random() * 256));
const BLOB = parseBlobId(`sha256:${createHash("sha256").update(CONTENT).digest("hex")}`);
const SENDER = "12D3KooWGRUaQj4UVm1bjCBMSJ6YaPfBSGJQbEMsEcQM1T3Zq8Q1" as NodeId;
const OTHER = "12D3KooWGRUaQj4UVm1bjCBMSJ6YaPfBSGJQbEMsEcQM1T3Zq8Q2" as NodeId;
const ABOUT = { blob: BLOB, sizeBytes: CONTENT.length, shardBytes: SHARD_BYTES };

describe("proofs of a file on its way", () => {
  let holder: ProvingHolder;
  let folder: string;
  let store: BlobStore;
  let staging: Staging;
  let proofs: Proofs;
  /** What each peer answers, and what was asked. */
  let proves: (peer: NodeId, shard: number) => boolean;
  let asked: string[];

  const { signal } = new AbortController();
  const dirs = () => ({ cacheDir: join(folder, "cache"), stateDir: join(folder, "state"), marginBytes: 0 });
  const events = { emit: () => undefined };

  async function ask(peer: NodeId, request: EvidenceRequest, onAnswer: (answer: EvidenceAnswer) => void) {
    asked.push(`${peer === SENDER ? "sender" : "other"} ${request.shards.join()}`);
    for (const shard of request.shards) {
      const items = proves(peer, shard) ? await holder.prove(shard, request.root as Uint8Array) : [];
      onAnswer({ shard, items, isTainted: false });
    }
  }

  async function openProofs(): Promise<Proofs> {
    const opened = await Proofs.open(
      { stateDir: join(folder, "state") },
      { store, events, ask: () => ask, holders: () => [SENDER, OTHER] },
    );
    opened.note(BLOB, CONTENT.length, holder.xetHash);
    return opened;
  }

  const openAttempt = (startBytes: number, endBytes: number) => {
    const attempt = proofs.open({ ...ABOUT, peer: SENDER, startBytes, endBytes });
    assert.ok(attempt !== undefined);
    return attempt;
  };

  async function shelf() {
    const own = new OwnEvidence(() => ({ node: SENDER, sign: async () => new Uint8Array(64), wallMs: () => 1 }));
    const hashes = new WholeHashes({ kept: store.keptGrounds, createShardHasher });
    const opened = await openShelf(BLOB, { store, hashes, own, proofs });
    assert.ok(opened !== undefined);
    return opened;
  }

  /** As a transfer does: the bytes are in the file, and are what the proof says. */
  async function takeShard(shard: number): Promise<void> {
    const bytes = CONTENT.subarray(shardStart(shard, SHARD_BYTES), shardEnd(shard, CONTENT.length, SHARD_BYTES));
    await staging.write(shardStart(shard, SHARD_BYTES), [bytes]);
    const hasher = createShardHasher();
    hasher.update(bytes);
    const hash = hasher.digest();
    staging.noteChecked(originJudge().fromProof({ ...ABOUT, shard }, { hash, sentHash: hash }));
  }

  before(async () => {
    holder = await ProvingHolder.make(CONTENT, SHARD_BYTES);
  });
  after(() => holder.stop());
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "swarmd-partial-"));
    store = new BlobStore(dirs(), { createShardHasher, events });
    await store.start();
    const opened = await store.openStaging({ ...ABOUT, repo: undefined, signal });
    assert.ok(opened.kind === "staging");
    staging = opened.staging;
    proofs = await openProofs();
    proves = () => true;
    asked = [];
  });
  afterEach(async () => {
    await proofs.stop();
    await store.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it("are handed on once their shard is checked, and not before; also after a restart", async () => {
    const root = bytesOfXetHash(holder.xetHash);
    const attempt = openAttempt(0, CONTENT.length);
    const came = await attempt.of(1);
    assert.equal(came?.isForeign, false);
    assert.deepEqual(await (await shelf()).prove(1, root), []);
    await takeShard(1);
    attempt.keep(1);
    await until("the proof is kept", async () => (await (await shelf()).prove(1, root)).length > 0);
    const [handed] = await (await shelf()).prove(1, root);
    assert.deepEqual(Buffer.from(handed?.payload ?? []), Buffer.from(came?.payload ?? []));
    assert.deepEqual(await (await shelf()).prove(0, root), []);
    assert.deepEqual(await (await shelf()).prove(1, new Uint8Array(32)), []);
    attempt.close();

    await proofs.stop();
    proofs = await openProofs();
    const [again] = await (await shelf()).prove(1, root);
    assert.deepEqual(Buffer.from(again?.payload ?? []), Buffer.from(came?.payload ?? []));
    // Whoever has no use for proofs is told on this node's word.
    const found = await (await shelf()).find(1);
    assert.deepEqual(found === "coming" ? found : found.map(({ kind }) => kind), ["attestation"]);
  });

  it("are asked of another holder where the sender has none, and only once of one that has none either", async () => {
    proves = (peer) => peer === OTHER;
    const attempt = openAttempt(0, CONTENT.length);
    const all = await Promise.all([0, 1, 2].map((shard) => attempt.of(shard)));
    assert.deepEqual(
      all.map((proof) => proof?.isForeign),
      [true, true, true],
    );
    attempt.close();

    proves = () => false;
    asked = [];
    const without = openAttempt(0, SHARD_BYTES);
    assert.equal(await without.of(0), undefined);
    assert.deepEqual(asked, ["sender 0", "other 0"]);
    const next = openAttempt(SHARD_BYTES, 2 * SHARD_BYTES);
    assert.equal(await next.of(1), undefined);
    assert.deepEqual(asked.slice(2), ["sender 1"]);
  });

  it("are not asked for where a range ends within a shard, and not of whom the proofs are doubted", async () => {
    const attempt = openAttempt(0, SHARD_BYTES + 5);
    assert.ok((await attempt.of(0)) !== undefined);
    assert.equal(await attempt.of(1), undefined);
    assert.deepEqual(asked, ["sender 0"]);

    proves = (peer) => peer === OTHER;
    const foreign = openAttempt(0, SHARD_BYTES);
    assert.equal((await foreign.of(0))?.isForeign, true);
    foreign.doubt();
    foreign.close();
    const later = openAttempt(0, SHARD_BYTES);
    assert.equal(await later.of(0), undefined);
  });

  it("come from a tree once the file is whole, which is built when it is first asked for if need be", async () => {
    for (const shard of [0, 1, 2]) await takeShard(shard);
    const digests = new FileDigests();
    const verifier = new Verifier({ digests });
    const { path, sizeBytes } = staging;
    await staging.seal();
    await store.commit(staging, await verifier.verifyFile({ path, sizeBytes, blob: BLOB, signal }));
    await digests.stop();
    const root = bytesOfXetHash(holder.xetHash);
    assert.equal(await proofs.canProve(BLOB), false);
    // A whole file is served in shards of the usual size.
    const whole = { ...ABOUT, shardBytes: 16 * 1024 * 1024, shard: 0 };
    assert.deepEqual(await proofs.prove(whole, root), []);
    await until("its tree is built", () => proofs.canProve(BLOB));
    assert.equal((await proofs.prove(whole, root)).length, 1);
  });
});
