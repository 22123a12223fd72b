/** Proofs, as they come from strangers, and what of the shard's bytes they let through. */
import { Chunker } from "@swarmd/daemon/verify/xet/chunker";
import { type KnownTree, type ProofNode, proveRange } from "@swarmd/daemon/verify/xet/proof";
import { encodeProof } from "@swarmd/daemon/verify/xet/proof-codec";
import { loadRangeChecks } from "@swarmd/daemon/verify/xet/range-check";
import { TreeFold } from "@swarmd/daemon/verify/xet/tree-fold";
import { formatXetHash, XetHasher } from "@swarmd/daemon/verify/xet/xet-hash";
import { seededRandom } from "../support/seeded-random.js";
import type { FuzzTarget } from "./targets.js";

const hasher = await XetHasher.load();
const openCheck = await loadRangeChecks();

/** Three levels of some chunks, as in larger files. */
const random = seededRandom(3);
const CONTENT = Buffer.from(Uint8Array.from({ length: 1_500_000 }, () => random() * 256));
const TREE = treeOf(CONTENT);
/** Cuts a chunk at each end. */
const RANGE = { startBytes: 300_000, endBytes: 900_000 };
const BYTES = CONTENT.subarray(RANGE.startBytes, RANGE.endBytes);
/** Another bit in its first chunk. */
const WRONG = Buffer.from(BYTES);
WRONG[0] = (WRONG[0] as number) ^ 1;

function treeOf(content: Buffer): KnownTree {
  const levels: ProofNode[][] = [];
  const fold = new TreeFold(hasher, (level, { hash, sizeBytes }, count) => {
    levels[level] ??= [];
    const below = levels[level - 1] ?? [];
    const taken = (levels[level] as ProofNode[]).reduce((sum, node) => sum + (node.children?.length ?? 0), 0);
    const children = level === 0 ? {} : { children: below.slice(taken, taken + count) };
    levels[level]?.push({ hash, sizeBytes, ...children });
  });
  const chunker = new Chunker("spec");
  let start = 0;
  for (const end of [...chunker.push(content), ...chunker.finish()]) {
    fold.push({ hash: hasher.hashChunk(content.subarray(start, end)), sizeBytes: end - start });
    start = end;
  }
  const root = fold.finish();
  const top = root === undefined ? undefined : levels[root.level]?.[0];
  if (root === undefined || top === undefined) throw new Error("no tree");
  return { file: formatXetHash(hasher.hashFile(top.hash)), root: top, height: root.level };
}

const proof = encodeProof(
  await proveRange(TREE, RANGE.startBytes, RANGE.endBytes, async (chunk, part) =>
    hasher.chunkParts.restOf(CONTENT.subarray(chunk.startBytes, chunk.startBytes + chunk.sizeBytes), part),
  ),
);

export const RANGE_CHECK_TARGET: FuzzTarget = {
  name: "range-check",
  decode: (bytes) => {
    const range = { xetHash: TREE.file, sizeBytes: CONTENT.length, ...RANGE, isForeign: false };
    // Whatever could be read leads to the file's hash: then nothing but the right bytes may pass, and all of them only by the right proof.
    const proven = openCheck(bytes, range).check(BYTES);
    if (proven === BYTES.length && Buffer.compare(bytes, proof) !== 0) throw new Error("the same in another form");
    if (isTaken(() => openCheck(bytes, range).check(WRONG))) throw new Error("it lets wrong bytes through");
  },
  // The second: a proof whose word on a cut chunk is another's.
  codes: ["PEER_FAULT", "PEER_CORRUPT"],
  samples: [proof],
};

function isTaken(check: () => number): boolean {
  try {
    return check() > 0;
  } catch {
    return false;
  }
}
