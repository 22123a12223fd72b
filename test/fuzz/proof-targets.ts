/** The decoder of proofs, which is their checker too: for a small file whose tree it builds first. */
import { createHash } from "node:crypto";
import { Chunker } from "@swarmd/daemon/verify/xet/chunker";
import { type ProofNode, proveRange } from "@swarmd/daemon/verify/xet/proof";
import { decodeProof, encodeProof, peekRange } from "@swarmd/daemon/verify/xet/proof-codec";
import { TreeFold } from "@swarmd/daemon/verify/xet/tree-fold";
import { formatXetHash, XetHasher } from "@swarmd/daemon/verify/xet/xet-hash";
import type { FuzzTarget } from "./targets.js";

const SIZE_BYTES = 3_000_000;
/** The same bytes every time, some forty chunks. */
const CONTENT = createHash("shake256", { outputLength: SIZE_BYTES }).update("a file with proofs").digest();
const hasher = await XetHasher.load();
const { file, tree } = makeTree();
const anchor = { file, sizeBytes: SIZE_BYTES };

function makeTree() {
  const chunker = new Chunker("spec");
  const levels: ProofNode[][] = [];
  const used: number[] = [];
  const fold = new TreeFold(hasher, (level, node, count) => {
    const first = used[level] ?? 0;
    used[level] = first + count;
    const children = (levels[level - 1] ?? []).slice(first, first + count);
    levels[level] ??= [];
    levels[level].push(count === 0 ? node : { ...node, children });
  });
  let start = 0;
  for (const end of [...chunker.push(CONTENT), ...chunker.finish()]) {
    fold.push({ hash: hasher.hashChunk(CONTENT.subarray(start, end)), sizeBytes: end - start });
    start = end;
  }
  fold.finish();
  const root = levels.at(-1)?.[0] as ProofNode;
  const name = formatXetHash(hasher.hashFile(root.hash));
  return { file: name, tree: { file: name, root, height: levels.length - 1 } };
}

async function sample(startBytes: number, endBytes: number): Promise<Uint8Array> {
  const proof = await proveRange(tree, startBytes, endBytes, async (chunk, part) =>
    hasher.chunkParts.restOf(CONTENT.subarray(chunk.startBytes, chunk.startBytes + chunk.sizeBytes), part),
  );
  return encodeProof(proof);
}

export const PROOF_TARGETS: readonly FuzzTarget[] = [
  {
    name: "proof",
    decode: (bytes) => {
      peekRange(bytes.subarray(0, 16));
      const proof = decodeProof(bytes, anchor, hasher);
      if (Buffer.compare(encodeProof(proof), bytes) !== 0) throw new Error("it has two forms");
    },
    codes: ["PEER_FAULT", "PEER_CORRUPT"],
    samples: [
      await sample(0, SIZE_BYTES),
      await sample(1_000_001, 1_500_000),
      await sample(SIZE_BYTES - 1, SIZE_BYTES),
    ],
  },
];
