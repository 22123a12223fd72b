import assert from "node:assert/strict";
import { closeSync, openSync } from "node:fs";
import { mkdtemp, open, readdir, readFile, rm, stat, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, beforeEach, describe, test } from "node:test";
import { SwarmError } from "@swarmd/protocol";
import { CHUNK_BYTES_MAX, Chunker } from "./chunker.js";
import type { BlobReader } from "./ports.js";
import { ProofChecker } from "./proof-checker.js";
import { type Anchor, decodeProof } from "./proof-codec.js";
import { ProofStore } from "./proof-store.js";
import { buildTree } from "./tree-build.js";
import { TreeBuilder } from "./tree-builder.js";
import { TreeFold } from "./tree-fold.js";
import { formatXetHash, parseXetHash, XetHasher } from "./xet-hash.js";

const MIB = 1024 * 1024;
const SHARD = MIB;
const signal = new AbortController().signal;
const hasher = await XetHasher.load();
const builder = new TreeBuilder();
after(() => builder.stop());

function splitMix(seed: bigint, length: number): Buffer {
  const bytes = Buffer.alloc(Math.ceil(length / 8) * 8);
  const wrap = (value: bigint) => BigInt.asUintN(64, value);
  let state = seed;
  for (let at = 0; at < bytes.length; at += 8) {
    state = wrap(state + 0x9e3779b97f4a7c15n);
    let z = wrap((state ^ (state >> 30n)) * 0xbf58476d1ce4e5b9n);
    z = wrap((z ^ (z >> 27n)) * 0x94d049bb133111ebn);
    bytes.writeBigUInt64LE(z ^ (z >> 31n), at);
  }
  return bytes.subarray(0, length);
}

/** Cut differently by the two rules; the published vector of both. */
const BYTES = splitMix(7n, 4 * MIB);
const SPEC: Anchor = {
  file: parseXetHash("f3a3a740b146a8e333e04179e43718030383549bc8c193e800123aeef5afdc23"),
  sizeBytes: BYTES.length,
};
const LEGACY: Anchor = {
  file: parseXetHash("a21a012334b627fe8f48233067f6fd5d7b8d7160fea014240ef3910d2993058c"),
  sizeBytes: BYTES.length,
};
const STRANGER: Anchor = { file: parseXetHash("1".repeat(64)), sizeBytes: BYTES.length };

let folder: string;
let path: string;
let store: ProofStore;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "swarmd-xet-"));
  path = join(folder, "file");
  await writeFile(path, BYTES);
  store = new ProofStore({ folder: join(folder, "proofs") }, { hasher, builder });
  await store.start();
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Reads what is held, and counts how much. */
class HeldBytes implements BlobReader {
  readBytes = 0;
  readonly #ranges: readonly (readonly [number, number])[];

  constructor(...ranges: readonly (readonly [number, number])[]) {
    this.#ranges = ranges;
  }

  async read(positionBytes: number, target: Uint8Array): Promise<void> {
    const end = positionBytes + target.length;
    if (!this.#ranges.some(([start, stop]) => start <= positionBytes && end <= stop)) {
      throw new SwarmError("PEER_LACKS", "not held");
    }
    target.set(BYTES.subarray(positionBytes, end));
    this.readBytes += target.length;
  }
}

const everything = () => new HeldBytes([0, BYTES.length]);

function assertProves(proof: Uint8Array, anchor: Anchor, startBytes: number, endBytes: number): void {
  const checker = new ProofChecker(decodeProof(proof, { ...anchor, startBytes, endBytes }, hasher), hasher);
  assert.equal(checker.push(BYTES.subarray(startBytes, endBytes)), endBytes);
}

describe("the tree of a finished file", () => {
  for (const { id, anchor, rule } of [
    { id: "cut by the specification's rule", anchor: SPEC, rule: "spec" },
    { id: "cut by the legacy rule", anchor: LEGACY, rule: "legacy" },
    { id: "that neither rule gives", anchor: STRANGER, rule: undefined },
  ]) {
    test(`${id} is ${rule === undefined ? "not found" : "found, and proves every shard"}`, async () => {
      assert.equal(await store.keepTree({ ...anchor, path }, { signal }), rule);
      for (let start = 0; start < BYTES.length; start += SHARD) {
        const range = { ...anchor, startBytes: start, endBytes: start + SHARD };
        const reader = everything();
        if (rule === undefined) {
          await assert.rejects(store.makeProof(range, reader, { signal }), { code: "PEER_LACKS" });
        } else {
          assertProves(await store.makeProof(range, reader, { signal }), anchor, start, start + SHARD);
          assert.ok(reader.readBytes <= 2 * CHUNK_BYTES_MAX, "two chunks are read for a proof, no more");
        }
      }
    });
  }

  test("is built once, and again when it was removed", async () => {
    await store.keepTree({ ...SPEC, path }, { signal });
    await rm(path);
    assert.equal(await store.keepTree({ ...SPEC, path }, { signal }), "spec");
    await store.forget(SPEC.file);
    await assert.rejects(store.keepTree({ ...SPEC, path }, { signal }), { code: "STORE_FAULT" });
  });

  for (const { id, sizeBytes } of [
    { id: "one byte", sizeBytes: 1 },
    { id: "one chunk", sizeBytes: 8000 },
    { id: "one chunk of the greatest size", sizeBytes: CHUNK_BYTES_MAX },
  ]) {
    test(`of ${id} proves it`, async () => {
      const bytes = Buffer.alloc(sizeBytes, 59);
      const anchor = { file: formatXetHash(hasher.hashFile(hasher.hashChunk(bytes))), sizeBytes };
      await writeFile(path, bytes);
      assert.equal(await store.keepTree({ ...anchor, path }, { signal }), "spec");
      const range = { ...anchor, startBytes: 0, endBytes: sizeBytes };
      const proof = decodeProof(await store.makeProof(range, everything(), { signal }), range, hasher);
      assert.equal(new ProofChecker(proof, hasher).push(bytes), sizeBytes);
    });
  }

  test("is not made of an empty file: there is nothing to prove", async () => {
    await writeFile(path, "");
    const anchor = { file: parseXetHash("0".repeat(64)), sizeBytes: 0 };
    assert.equal(await store.keepTree({ ...anchor, path }, { signal }), undefined);
  });

  test("is not made of a file that is gone or too short, and the next file is none the worse", async () => {
    await assert.rejects(store.keepTree({ ...SPEC, path: `${path}-not` }, { signal }), { code: "STORE_FAULT" });
    await truncate(path, BYTES.length - 1);
    await assert.rejects(store.keepTree({ ...SPEC, path }, { signal }), /ends at byte/);
    await writeFile(path, BYTES);
    assert.equal(await store.keepTree({ ...SPEC, path }, { signal }), "spec");
  });

  test("is given up on abort, before and while it is built", async () => {
    const aborted = AbortSignal.abort(new SwarmError("INTERRUPTED", "enough"));
    await assert.rejects(store.keepTree({ ...SPEC, path }, { signal: aborted }), { code: "INTERRUPTED" });
    const controller = new AbortController();
    const build = store.keepTree({ ...SPEC, path }, { signal: controller.signal });
    setImmediate(() => controller.abort(new SwarmError("INTERRUPTED", "enough")));
    await assert.rejects(build, { code: "INTERRUPTED" });
    assert.equal(await store.keepTree({ ...LEGACY, path }, { signal }), "legacy");
  });

  test("fails with its thread when the node stops", async () => {
    const own = new TreeBuilder();
    const build = own.build({ ...SPEC, path, target: join(folder, "tree") }, { signal });
    const failed = assert.rejects(build, { code: "INTERRUPTED" });
    await new Promise((resolve) => setImmediate(resolve));
    const waiting = assert.rejects(own.build({ ...SPEC, path, target: join(folder, "tree") }, { signal }), {
      code: "INTERRUPTED",
    });
    await own.stop();
    await Promise.all([failed, waiting]);
  });

  test("by the legacy rule is what cutting the whole file by that rule gives, also where they meet only far behind", () => {
    const bytes = Buffer.concat([BYTES, BYTES.subarray(123), BYTES.subarray(3_000_001), BYTES.subarray(0, 2_999_999)]);
    const chunker = new Chunker("legacy");
    const fold = new TreeFold(hasher);
    let start = 0;
    for (const end of [...chunker.push(bytes), ...chunker.finish()]) {
      fold.push({ hash: hasher.hashChunk(bytes.subarray(start, end)), sizeBytes: end - start });
      start = end;
    }
    const file = formatXetHash(hasher.hashFile(fold.finish()?.root.hash as Uint8Array));
    return writeFile(path, bytes).then(() => {
      const fd = openSync(path, "r");
      try {
        const steps = buildTree({ fd, sizeBytes: bytes.length, file }, hasher);
        let step = steps.next();
        while (step.done !== true) step = steps.next();
        assert.equal(step.value?.rule, "legacy");
      } finally {
        closeSync(fd);
      }
    });
  });
});

describe("a stored tree that is damaged", () => {
  const range = { ...SPEC, startBytes: SHARD, endBytes: 2 * SHARD };
  const treePath = () => join(folder, "proofs", `${SPEC.file}.tree`);

  test("gives right proofs or none, whichever byte is wrong, and is built again", async () => {
    await store.keepTree({ ...SPEC, path }, { signal });
    const good = await readFile(treePath());
    let lost = 0;
    for (let at = 0; at < good.length; at += 5) {
      const bad = Buffer.from(good);
      bad[at] = (bad[at] as number) ^ 0xff;
      await writeFile(treePath(), bad);
      const proof = await store.makeProof(range, everything(), { signal }).catch((error: SwarmError) => {
        assert.equal(error.code, "PEER_LACKS");
        return undefined;
      });
      if (proof === undefined) lost += 1;
      else assertProves(proof, SPEC, range.startBytes, range.endBytes);
    }
    assert.ok(lost > 200, "much of the tree is needed for a proof");
    assert.equal(await store.keepTree({ ...SPEC, path }, { signal }), "spec");
  });

  test("is not used when it is cut short, empty, or of another file", async () => {
    await store.keepTree({ ...SPEC, path }, { signal });
    const good = await readFile(treePath());
    for (const bytes of [good.subarray(0, good.length - 1), Buffer.alloc(0), good.subarray(0, 70)]) {
      await writeFile(treePath(), bytes);
      await assert.rejects(store.makeProof(range, everything(), { signal }), { code: "PEER_LACKS" });
      await assert.rejects(stat(treePath()), { code: "ENOENT" });
    }
    await writeFile(join(folder, "proofs", `${LEGACY.file}.tree`), good);
    const other = { ...LEGACY, startBytes: 0, endBytes: SHARD };
    await assert.rejects(store.makeProof(other, everything(), { signal }), { code: "PEER_LACKS" });
  });

  test("is not blamed for a range that is not in the file", async () => {
    await store.keepTree({ ...SPEC, path }, { signal });
    for (const [startBytes, endBytes] of [
      [0, BYTES.length + 1],
      [5, 5],
      [-1, 5],
      [0, 2 ** 40],
    ] as const) {
      const asked = { ...SPEC, startBytes, endBytes };
      await assert.rejects(store.makeProof(asked, everything(), { signal }), { code: "PEER_LACKS" });
    }
    await stat(treePath());
  });

  test("is told from a blob that is damaged: no proof is made of wrong bytes", async () => {
    await store.keepTree({ ...SPEC, path }, { signal });
    const wrong: BlobReader = { read: async (_, target) => void target.fill(1) };
    await assert.rejects(store.makeProof(range, wrong, { signal }), { code: "STORE_FAULT" });
    await stat(treePath());
  });
});

describe("a node that holds some shards", () => {
  const shard = (index: number) => ({ ...SPEC, startBytes: index * SHARD, endBytes: (index + 1) * SHARD });
  let seed: ProofStore;

  beforeEach(async () => {
    seed = new ProofStore({ folder: join(folder, "seed") }, { hasher, builder });
    await seed.start();
    await seed.keepTree({ ...SPEC, path }, { signal });
  });

  async function giveShards(...indexes: number[]): Promise<Uint8Array[]> {
    const proofs: Uint8Array[] = [];
    for (const index of indexes) {
      const proof = await seed.makeProof(shard(index), everything(), { signal });
      await store.keepProof(decodeProof(proof, shard(index), hasher));
      proofs.push(proof);
    }
    return proofs;
  }

  test("hands on their proofs as they came, reading no byte, also after a restart", async () => {
    const proofs = await giveShards(1, 2);
    await giveShards(1);
    for (const holder of [store, new ProofStore({ folder: join(folder, "proofs") }, { hasher, builder })]) {
      for (const [index, proof] of proofs.entries()) {
        const nothing = new HeldBytes();
        const handed = await holder.makeProof(shard(index + 1), nothing, { signal });
        assert.deepEqual(Buffer.from(handed), Buffer.from(proof));
      }
      await assert.rejects(holder.makeProof(shard(0), everything(), { signal }), { code: "PEER_LACKS" });
      await assert.rejects(
        holder.makeProof({ ...SPEC, startBytes: SHARD / 2, endBytes: 2 * SHARD }, everything(), { signal }),
        {
          code: "PEER_LACKS",
        },
      );
    }
  });

  test("proves shards together, and any part of them whose cut chunks it holds", async () => {
    await giveShards(1, 2);
    const held = () => new HeldBytes([SHARD, 3 * SHARD]);
    const both = await store.makeProof({ ...SPEC, startBytes: SHARD, endBytes: 3 * SHARD }, new HeldBytes(), {
      signal,
    });
    assertProves(both, SPEC, SHARD, 3 * SHARD);
    for (const [startBytes, endBytes] of [
      [SHARD + 200_000, 2 * SHARD + 300_001],
      [SHARD, SHARD + 200_000],
      [SHARD + 777_777, 2 * SHARD],
    ] as const) {
      assertProves(
        await store.makeProof({ ...SPEC, startBytes, endBytes }, held(), { signal }),
        SPEC,
        startBytes,
        endBytes,
      );
    }
  });

  test("hands on nothing it can't prove itself, even if it was kept", async () => {
    const proof = decodeProof(await seed.makeProof(shard(1), everything(), { signal }), shard(1), hasher);
    await store.keepProof({ ...proof, root: { ...proof.root, children: proof.root.children?.slice(1) ?? [] } });
    await assert.rejects(store.makeProof(shard(1), everything(), { signal }), { code: "PEER_LACKS" });
  });

  test("ignores what a crash or the disk did to its proofs", async () => {
    const [first] = await giveShards(1, 2);
    const log = join(folder, "proofs", `${SPEC.file}.proofs`);
    const { size } = await stat(log);
    await truncate(log, size - 5);
    const restarted = () => new ProofStore({ folder: join(folder, "proofs") }, { hasher, builder });
    const holder = restarted();
    assert.deepEqual(
      Buffer.from(await holder.makeProof(shard(1), new HeldBytes(), { signal })),
      Buffer.from(first as Uint8Array),
    );
    await assert.rejects(holder.makeProof(shard(2), new HeldBytes(), { signal }), { code: "PEER_LACKS" });
    const again = await seed.makeProof(shard(2), everything(), { signal });
    await holder.keepProof(decodeProof(again, shard(2), hasher));
    await restarted().makeProof(shard(2), new HeldBytes(), { signal });
    const handle = await open(log, "r+");
    await handle.write(Buffer.from([0xff]), 0, 1, 500);
    await handle.close();
    await assert.rejects(holder.makeProof(shard(1), new HeldBytes(), { signal }), { code: "PEER_LACKS" });
    await assert.rejects(restarted().makeProof(shard(1), new HeldBytes(), { signal }), { code: "PEER_LACKS" });
  });

  test("drops them once it has the tree", async () => {
    await giveShards(1);
    await store.keepTree({ ...SPEC, path }, { signal });
    assert.deepEqual(await readdir(join(folder, "proofs")), [`${SPEC.file}.tree`]);
    assertProves(await store.makeProof(shard(0), everything(), { signal }), SPEC, 0, SHARD);
  });
});

test("the folder stays within its bound: what was used longest ago goes", async () => {
  await store.keepTree({ ...SPEC, path }, { signal });
  const { size } = await stat(join(folder, "proofs", `${SPEC.file}.tree`));
  const small = new ProofStore(
    { folder: join(folder, "proofs"), maxBytes: Math.floor(2.5 * size) },
    { hasher, builder },
  );
  const old = "2".repeat(64);
  await writeFile(join(folder, "proofs", `${old}.proofs`), Buffer.alloc(size));
  await utimes(join(folder, "proofs", `${old}.proofs`), 1, 1);
  await small.makeProof({ ...SPEC, startBytes: 0, endBytes: 5 }, everything(), { signal });
  await small.keepTree({ ...LEGACY, path }, { signal });
  assert.deepEqual((await readdir(join(folder, "proofs"))).sort(), [`${LEGACY.file}.tree`, `${SPEC.file}.tree`].sort());
});

test("what a killed thread left is removed at the start", async () => {
  await writeFile(join(folder, "proofs", `${SPEC.file}.tree.123.tmp`), "half");
  await store.start();
  assert.deepEqual(await readdir(join(folder, "proofs")), []);
});
