/** Without the origin, peers do: for a commit that is known, offline, and while the origin is down. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { type Done, MAY_MAKE_NAMESPACES, runInNamespace } from "../support/swarm-of-processes.js";

interface Result {
  readonly commitDone: Done;
  readonly egress: number;
  readonly offlineDone: Done;
  readonly downDone: Done;
  readonly nowhere: { readonly exitCode: number; readonly stdout: string };
  readonly sizeBytes: number;
}

describe("a repo whose file list is known", {
  skip: MAY_MAKE_NAMESPACES ? false : "needs root on Linux, to make a network namespace",
}, () => {
  it("comes from peers by commit, with --offline and while the origin is down; what nobody has ends with 6", async () => {
    const script = fileURLToPath(new URL("./origin-down-run.js", import.meta.url));
    const { commitDone, egress, offlineDone, downDone, nowhere, sizeBytes } = await runInNamespace<Result>(script);
    assert.equal(egress, 0);
    for (const done of [commitDone, offlineDone, downDone]) {
      assert.deepEqual([done.bytesFromPeers, done.bytesFromOrigin], [sizeBytes, 0]);
    }
    assert.equal(nowhere.exitCode, 6);
    assert.match(nowhere.stdout, /no node that can be reached offers it, and the origin may not be asked/);
  });
});
