/**
 * A process to be killed: fills one staging file, shard by shard, and says on stdout which shard it has noted. What byte stands
 * where follows from the seed, so that whoever looks at the file afterwards knows.
 *
 * Arguments: folder, seed, size in bytes, shard size in bytes.
 */
import { join } from "node:path";
import { BlobStore } from "@swarmd/daemon/store/blob-store";
import { FileDigests } from "@swarmd/daemon/verify/file-digest";
import { loadBlake3 } from "@swarmd/daemon/verify/shard-hasher";
import { Verifier } from "@swarmd/daemon/verify/verifier";
import { parseRepoSpec, shardCount } from "@swarmd/protocol";
import { originJudge } from "../support/origin-judge.js";
import { blobOf, contentOf, reverseOrder } from "./known-content.js";

const [folder, seed, size, shard] = process.argv.slice(2) as [string, string, string, string];
const [sizeBytes, shardBytes] = [Number(size), Number(shard)];
const { createShardHasher } = await loadBlake3();
const store = new BlobStore(
  { cacheDir: join(folder, "cache"), stateDir: join(folder, "state"), marginBytes: 0 },
  { createShardHasher, events: { emit: (event) => console.log(JSON.stringify(event)) } },
);
const signal = new AbortController().signal;
await store.start();
const content = contentOf(seed, sizeBytes);
const blob = blobOf(content);
const { repo } = parseRepoSpec("org/model");
const opened = await store.openStaging({ blob, sizeBytes, shardBytes, repo, signal });
if (opened.kind === "staging") {
  const { staging } = opened;
  const state = staging.resumeState();
  console.log(JSON.stringify({ type: "opened", ...state }));
  for (const at of reverseOrder(shardCount(sizeBytes, shardBytes))) {
    if (state.checked.includes(at)) continue;
    const bytes = content.subarray(at * shardBytes, (at + 1) * shardBytes);
    const hasher = createShardHasher();
    const from = state.partial.find((known) => known.shard === at)?.watermarkBytes ?? 0;
    hasher.update(bytes.subarray(0, from));
    for (let position = from; position < bytes.length; position += 64 * 1024) {
      const chunk = bytes.subarray(position, position + 64 * 1024);
      await staging.write(at * shardBytes + position, [chunk]);
      hasher.update(chunk);
      if (position + chunk.length < bytes.length) staging.noteWatermark(at, position + chunk.length, hasher.digest());
    }
    staging.noteChecked(originJudge().fromOrigin({ ...staging, shard: at }, hasher.digest()));
    console.log(JSON.stringify({ type: "noted", shard: at }));
  }
  await staging.seal();
  const digests = new FileDigests();
  const verified = await new Verifier({ digests }).verifyFile({ path: staging.path, sizeBytes, blob, signal });
  await store.commit(staging, verified);
  await digests.stop();
}
console.log(JSON.stringify({ type: "committed" }));
