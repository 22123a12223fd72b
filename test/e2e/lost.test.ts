/** What a node no longer has, it no longer announces: nobody asks it in vain. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { type Done, MAY_MAKE_NAMESPACES, runInNamespace } from "../support/swarm-of-processes.js";

interface Result {
  readonly lost: readonly Done[];
  readonly askedInVain: number;
  readonly kept: Done;
  readonly asked: number;
  readonly verifyExit: number;
}

describe("what a node lost", {
  skip: MAY_MAKE_NAMESPACES ? false : "needs root on Linux, to make a network namespace",
}, () => {
  it("by swarm rm, or found missing by swarm verify, is not asked of it; the rest is", async () => {
    const script = fileURLToPath(new URL("./lost-run.js", import.meta.url));
    const { lost, askedInVain, kept, asked, verifyExit } = await runInNamespace<Result>(script);
    assert.equal(verifyExit, 5);
    for (const done of lost) assert.deepEqual([done.bytesFromPeers, done.bytesFromOrigin > 0], [0, true]);
    assert.equal(askedInVain, 0);
    // On a slow machine the origin may be asked beside it; that the peer is asked and gives is what tells the two cases apart.
    assert.ok(kept.bytesFromPeers > 0, `what is still there comes from the peer: ${JSON.stringify(kept)}`);
    assert.ok(asked > 0);
  });
});
