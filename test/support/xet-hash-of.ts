/** The hash under which Hugging Face would know some content, cut by the rule of its specification. */
import { Chunker } from "@swarmd/daemon/verify/xet/chunker";
import { TreeFold } from "@swarmd/daemon/verify/xet/tree-fold";
import { formatXetHash, type XetHash, XetHasher } from "@swarmd/daemon/verify/xet/xet-hash";

const hasher = await XetHasher.load();

export function xetHashOf(content: Uint8Array): XetHash {
  const chunker = new Chunker("spec");
  const fold = new TreeFold(hasher);
  let start = 0;
  for (const end of [...chunker.push(content), ...chunker.finish()]) {
    fold.push({ hash: hasher.hashChunk(content.subarray(start, end)), sizeBytes: end - start });
    start = end;
  }
  const root = fold.finish();
  if (root === undefined) throw new Error("no content, no hash");
  return formatXetHash(hasher.hashFile(root.root.hash));
}
