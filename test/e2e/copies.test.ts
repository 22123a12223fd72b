/** The LAN as one cache, with real daemons: nobody drops what only it has while another has room, and pins get their copies. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { MAY_MAKE_NAMESPACES, runInNamespace } from "../support/swarm-of-processes.js";

interface Result {
  readonly together: number;
  readonly first: readonly string[];
  readonly second: readonly string[];
  readonly replicas: number;
  readonly soundReplicas: number;
  readonly placedAt: string;
  readonly warnings: number;
  readonly wanCopies: Readonly<Record<string, number>>;
}

const SKIP = MAY_MAKE_NAMESPACES ? false : "needs root on Linux, for a network of its own";

describe("copies on the LAN", { skip: SKIP }, () => {
  it("nodes that make room at the same moment leave one, and a pin gets the copies it asks for", async () => {
    const result = await runInNamespace<Result>(join(import.meta.dirname, "copies-run.js"));
    console.log(JSON.stringify(result));
    assert.deepEqual(result.first, ["acme/one"]);
    assert.deepEqual(result.second, ["acme/two"]);
    assert.equal(result.together, 1, "the shared model is on no node any more, or was not handed over");
    assert.equal(result.warnings, 0);
    // The origin gave nobody a byte by then: the copy came over the LAN, and it is whole.
    assert.equal(result.replicas, 2);
    assert.equal(result.soundReplicas, 2);
    assert.equal(result.placedAt, "roomy");
  });
});
